/* Nanoseconds that libmemcached takes for a get of one key on one connection. Arguments: port, gets. */
#include <libmemcached/memcached.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

int main(int argc, char **argv) {
  if (argc != 3) return 2;
  memcached_st *memc = memcached_create(NULL);
  memcached_server_add(memc, "127.0.0.1", (in_port_t)atoi(argv[1]));
  memcached_behavior_set(memc, MEMCACHED_BEHAVIOR_TCP_NODELAY, 1);
  memcached_return_t rc;
  if ((rc = memcached_set(memc, "speed", 5, "0123456789", 10, 0, 0)) != MEMCACHED_SUCCESS) return 3;
  int gets = atoi(argv[2]);
  struct timespec from, to;
  clock_gettime(CLOCK_MONOTONIC, &from);
  for (int i = 0; i < gets; i++) {
    size_t length;
    uint32_t flags;
    char *value = memcached_get(memc, "speed", 5, &length, &flags, &rc);
    if (!value || length != 10) return 4;
    free(value);
  }
  clock_gettime(CLOCK_MONOTONIC, &to);
  printf("%lld\n", ((to.tv_sec - from.tv_sec) * 1000000000LL + to.tv_nsec - from.tv_nsec) / gets);
  return 0;
}
