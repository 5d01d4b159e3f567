/* What a database server exports that the memc_* functions look for, for tests without one. */
#include <stdio.h>

int udf_killed;
char udf_message[1024];

int thd_killed(const void *session) {
  (void)session;
  return __atomic_load_n(&udf_killed, __ATOMIC_SEQ_CST);
}

void my_message(unsigned error, const char *text, unsigned long flags) {
  (void)flags;
  snprintf(udf_message, sizeof udf_message, "%u %s", error, text);
}
