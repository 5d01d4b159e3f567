/*
 * functions.c - what functions of libraries (CREATE FUNCTION) look for in the program that calls them, as servers export it.
 */
#include "host.h"

#include <stdlib.h>

static const host *_Atomic running;

void functions_setup(const host *h) { atomic_store(&running, h); }

/* Whether the statement of the calling thread is to end; `session` is NULL, which means that of the thread.  Statements of the
 * console have nobody who kills them but the stop of the host. */
int thd_killed(const void *session);
int thd_killed(const void *session) {
    (void)session;
    const host *h = atomic_load(&running);
    return refengine_statement_killed() || (h && atomic_load(&h->stopping));
}

/* Fails the statement of the calling thread. */
void my_message(unsigned int number, const char *text, unsigned long flags);
void my_message(unsigned int number, const char *text, unsigned long flags) {
    (void)flags;
    refengine_statement_fail(number, text);
}
