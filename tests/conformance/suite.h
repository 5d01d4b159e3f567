/*
 * The suite's own tools: cases, checks, short forms of common call sequences, sessions on threads.
 *
 * A case is a function that begins with empty tables (see tables.c) and leaves no handle behind.  A check that fails
 * prints where and goes on; a case has failed when one of its checks has.
 */
#ifndef CONFORMANCE_SUITE_H
#define CONFORMANCE_SUITE_H

#include "provider.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct test_case {
    const char *name;
    void (*run)(void);
};

/* Each source file's cases, ended by one without a name. */
extern const struct test_case column_cases[], tuple_cases[], cursor_cases[], row_cases[], index_cases[], trx_cases[],
    lock_cases[], truncate_cases[];

/* The table under test. */
extern const ib_cb_t *ib;

/* The statements that make the tables, and their names, ended by NULL. */
extern const char *const tables_sql;
extern const char *const table_names[];
/* Deletes all rows of all tables, as before each case. */
void empty_tables(void);

/* --- checks ------------------------------------------------------------------------------------------------------ */

void report(const char *file, int line, const char *format, ...) __attribute__((format(printf, 3, 4)));
bool check_code(const char *file, int line, const char *call, ib_err_t expected, ib_err_t got);
bool check_number(const char *file, int line, const char *what, long long expected, long long got);
bool check_bytes(const char *file, int line, const char *what, const void *expected, size_t n, const void *got,
                 ib_ulint_t got_n);
bool check_text(const char *file, int line, const char *what, const char *expected, const char *got);

#define CHECK(condition) \
    do { \
        if (!(condition)) \
            report(__FILE__, __LINE__, "not true: %s", #condition); \
    } while (0)
/* A call's code. */
#define CODE(expected, call) check_code(__FILE__, __LINE__, #call, expected, call)
#define OK(call) CODE(IB_SUCCESS, call)
#define NUMBER(expected, got) check_number(__FILE__, __LINE__, #got, (long long)(expected), (long long)(got))
#define BYTES(expected, n, got, got_n) check_bytes(__FILE__, __LINE__, #got, expected, n, got, got_n)
#define TEXT(expected, got) check_text(__FILE__, __LINE__, #got, expected, got)
/* The bytes of a column; a string literal may contain NUL bytes. */
#define COLUMN(literal, tpl, col) \
    check_bytes(__FILE__, __LINE__, "column " #col, literal, sizeof(literal) - 1, ib->col_get_value(tpl, col), \
                ib->col_get_meta(tpl, col, NULL_META))
#define COLUMN_IS_NULL(tpl, col) check_null(__FILE__, __LINE__, #col, tpl, col)
bool check_null(const char *file, int line, const char *what, ib_tpl_t tpl, ib_ulint_t col);
extern ib_col_meta_t scratch_meta;
#define NULL_META (&scratch_meta)

/* --- call sequences ---------------------------------------------------------------------------------------------- */

/* The level of a case that is not about levels. */
static const ib_trx_level_t LEVEL = IB_TRX_READ_COMMITTED;

ib_trx_t begin(ib_trx_level_t level); /* read-write */
ib_crsr_t open_in(const char *table, ib_trx_t trx);
/* Closes a cursor (NULL: none), ends its transaction and frees it. */
void end(ib_crsr_t crsr, ib_trx_t trx, bool commit);

ib_err_t set(ib_tpl_t tpl, ib_ulint_t col, const void *bytes, size_t n);
ib_err_t set_text(ib_tpl_t tpl, ib_ulint_t col, const char *text);
ib_err_t set_i32(ib_tpl_t tpl, ib_ulint_t col, int32_t value);
ib_err_t set_u64(ib_tpl_t tpl, ib_ulint_t col, uint64_t value);

/* Of the table conf/rows: k VARBINARY(20) PRIMARY KEY, v BLOB, n INT NOT NULL, u BIGINT UNSIGNED UNIQUE. */
enum { ROW_K, ROW_V, ROW_N, ROW_U };
#define ROWS "conf/rows"
ib_err_t insert_row(ib_crsr_t crsr, const char *k, const char *v, int32_t n);
ib_err_t insert_row_u(ib_crsr_t crsr, const char *k, const char *v, int32_t n, uint64_t u);
/* Commits rows with keys that are the letters of `keys`, v the same letter, n 0. */
void fill(const char *keys);
ib_err_t search(ib_crsr_t crsr, const char *key, ib_match_mode_t match, ib_srch_mode_t mode);
ib_err_t find(ib_crsr_t crsr, const char *key); /* exact */
/* The key of the row under the cursor as text, "" if it cannot be read. Valid until the next call on this thread. */
const char *key_at(ib_crsr_t crsr);
/* v of the row under the cursor. As key_at(). */
const char *value_at(ib_crsr_t crsr);
/* Sets v of the row with this key, positioned exactly. */
ib_err_t change(ib_crsr_t crsr, const char *key, const char *v);
ib_err_t erase(ib_crsr_t crsr, const char *key);
/* The committed keys of conf/rows, one letter each, in order. As key_at(). */
const char *committed_keys(void);
/* The committed v of a key, "-" if there is no row. As key_at(). */
const char *committed(const char *key);

/* --- sessions: one thread each, which makes and uses its handles --------------------------------------------------- */

struct session;
struct session *session_open(void);
/* Has the session's thread call f(arg).  One call at a time. */
void session_call(struct session *session, ib_err_t (*f)(void *), void *arg);
/* Whether the call is still running after a moment. */
bool session_is_blocked(struct session *session);
/* Waits for the call and returns what it returned; a call that takes over 30 seconds is reported, and the program ends. */
ib_err_t session_result(struct session *session);
void session_close(struct session *session);

#endif
