/*
 * refengine.h - the bundled storage engine.
 *
 * A small durable engine with InnoDB's rules: databases, tables, clustered primary keys,
 * secondary indexes, transactions with row locks, crash recovery.  It offers rows through the
 * callback table of innodb_api.h and statements through refengine_execute().  One engine may be
 * open per process, because the callback table carries no context.
 *
 * Threads: an engine may be used from any number of threads; a session from one at a time.
 */
#ifndef DAEMON_MEMCACHED_REFENGINE_H
#define DAEMON_MEMCACHED_REFENGINE_H

#include "innodb_api.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct refengine refengine_t;
typedef struct refengine_session refengine_session_t;

/* Results of the functions below.  Stable numbers. */
typedef enum refengine_result {
    REFENGINE_OK = 0,
    REFENGINE_ERROR = 1,          /* see refengine_last_error() or the err buffer */
    REFENGINE_LOCKED = 2,         /* another process has the data directory open */
    REFENGINE_INVALID_ARGUMENT = 3,
    REFENGINE_PANIC = 4           /* a defect of the engine was caught at the boundary */
} refengine_result_t;

/* Opens or creates the engine in `datadir` (created if missing) and recovers it.  `options` is
 * NULL or a list of engine variables "name=value" separated by newlines, e.g.
 * "innodb_flush_log_at_trx_commit=2\ninnodb_buffer_pool_size=134217728".  On failure a sentence goes to `err`
 * (NUL-terminated, cut to `errlen`). */
refengine_result_t refengine_open(const char *datadir, const char *options, refengine_t **out, char *err,
                                  size_t errlen);

/* Closes: makes everything committed durable, waits for the engine's threads, frees.  Every session
 * and every cursor must have been closed.  NULL is allowed. */
void refengine_close(refengine_t *engine);

/* The callback table, IB_CB_ENTRIES entries.  Valid until refengine_close(). */
const ib_cb_t *refengine_api(refengine_t *engine);

/* 1 if this datadir was created by this refengine_open(). */
int refengine_is_new(const refengine_t *engine);

/* From here to the next call on this thread, the waits of its transactions for locks end together: when the first of
 * them would have to by itself (innodb_api_lock_wait_timeout).  Without a call each wait takes its own time. */
void refengine_lock_wait_restart(void);

/* How long the syncs of the engine's log took since it was opened: counts[i] of them less than 2^(15 + i) ns and not less than half of it
 * (the first: anything less; the last: anything more), and nanoseconds of all together. */
#define REFENGINE_SYNC_BUCKETS 20
void refengine_sync_times(const refengine_t *engine, uint64_t counts[REFENGINE_SYNC_BUCKETS], uint64_t *nanoseconds);

/* A session: current database, open transaction, last error. */
refengine_result_t refengine_session_open(refengine_t *engine, refengine_session_t **out);
/* Rolls back what is open and frees.  NULL is allowed. */
void refengine_session_close(refengine_session_t *session);

/* What refengine_execute() reports.  Pointers are borrowed for the call. */
typedef enum refengine_event {
    REFENGINE_COLUMNS = 1, /* a result set begins: names */
    REFENGINE_ROW = 2,     /* one row: values, lengths */
    REFENGINE_DONE = 3     /* a statement succeeded: affected_rows, n_columns 0 if it had no result set */
} refengine_event_t;
typedef struct refengine_report {
    refengine_event_t event;
    unsigned int n_columns;
    const char *const *names;
    const char *const *values; /* text of each column, NULL for SQL NULL; may contain NUL bytes */
    const size_t *lengths;     /* bytes of each value */
    uint64_t affected_rows;
} refengine_report_t;
/* Returning other than 0 ends the statement with an error. */
typedef int (*refengine_report_fn)(void *arg, const refengine_report_t *report);

/* Runs all statements in `sql` (`len` bytes of UTF-8), separated by semicolons; stops at the first that
 * fails, which changes nothing itself; statements before it stay done.  `report` may be NULL. */
refengine_result_t refengine_execute(refengine_session_t *session, const char *sql, size_t len,
                                     refengine_report_fn report, void *arg);

/* The last failure of this session: MySQL's error number and SQLSTATE, a message, the line (from 1) of
 * the failing statement within the text given to refengine_execute().  Valid until the next call on the session. */
unsigned int refengine_last_errno(const refengine_session_t *session);
const char *refengine_last_sqlstate(const refengine_session_t *session);
const char *refengine_last_error(const refengine_session_t *session);
unsigned int refengine_last_line(const refengine_session_t *session);

/* Statements that belong to the host: the engine parses them and hands them over. */
typedef enum refengine_host_kind {
    REFENGINE_INSTALL_PLUGIN = 1,   /* name, value = soname */
    REFENGINE_UNINSTALL_PLUGIN = 2, /* name */
    REFENGINE_SHOW_PLUGINS = 3,
    REFENGINE_SHOW_VARIABLES = 4,   /* report every host variable as a row (name, value): the engine filters */
    REFENGINE_SHOW_STATUS = 5,      /* likewise */
    REFENGINE_SET_GLOBAL = 6,       /* name, value: a variable the engine does not know */
    /* For SHOW PROCESSLIST: report each client of a plugin as a row (number, user, address, database, seconds since it was
     * heard, state).  Its Id there is 2^32 more than the number, which no session has. */
    REFENGINE_SHOW_CONNECTIONS = 7,
    REFENGINE_KILL = 8, /* name: the number of such a client, in digits */
    /* For functions of libraries (CREATE FUNCTION): report the file of the library `name`, as SONAME has it, as a row of one
     * value. */
    REFENGINE_LIBRARY_FILE = 9
} refengine_host_kind_t;
typedef struct refengine_host_statement {
    refengine_host_kind_t kind;
    const char *name;
    const char *value; /* for SET GLOBAL NULL means DEFAULT */
} refengine_host_statement_t;
typedef struct refengine_reply refengine_reply_t; /* lives for one callback */
/* Returns 0, or other than 0 after refengine_reply_error().  Runs on the session's thread, without any lock of the
 * engine held; it may execute statements on OTHER sessions. */
typedef int (*refengine_host_fn)(void *arg, const refengine_host_statement_t *statement, refengine_reply_t *reply);

/* Sets the callback, NULL for none.  Not while statements run. */
void refengine_set_host(refengine_t *engine, refengine_host_fn fn, void *arg);

/* Only inside a refengine_host_fn. */
void refengine_reply_columns(refengine_reply_t *reply, unsigned int n, const char *const *names);
void refengine_reply_row(refengine_reply_t *reply, unsigned int n, const char *const *values);
/* MySQL's error number and SQLSTATE, e.g. 1126 "HY000"; the message is copied. */
void refengine_reply_error(refengine_reply_t *reply, unsigned int number, const char *sqlstate, const char *message);

/* For functions of libraries, which look in their process for what servers export (thd_killed, my_message): whether the
 * statement that this thread runs was killed. */
int refengine_statement_killed(void);
/* Fails the statement that this thread runs, when the function that is called for it returns: MySQL's error number and a
 * sentence, which is copied.  The first of several counts. */
void refengine_statement_fail(unsigned int number, const char *message);

#ifdef __cplusplus
}
#endif
#endif
