#include "suite.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

const ib_cb_t *ib;
ib_col_meta_t scratch_meta;
static atomic_int failures;

/* --- checks ------------------------------------------------------------------------------------------------------ */

void report(const char *file, int line, const char *format, ...)
{
    char text[800];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    printf("# %s:%d: %s\n", file, line, text);
    atomic_fetch_add(&failures, 1);
}

bool check_code(const char *file, int line, const char *call, ib_err_t expected, ib_err_t got)
{
    if (got != expected)
        report(file, line, "%s: expected %s, got %s (%d)", call, ib->ut_strerr(expected), ib->ut_strerr(got), (int)got);
    return got == expected;
}

bool check_number(const char *file, int line, const char *what, long long expected, long long got)
{
    if (got != expected)
        report(file, line, "%s: expected %lld, got %lld", what, expected, got);
    return got == expected;
}

static void to_hex(char *out, size_t room, const unsigned char *bytes, size_t n)
{
    size_t at = 0;
    out[0] = 0;
    for (size_t i = 0; i < n && i < 40 && at + 3 < room; i++)
        at += (size_t)snprintf(out + at, room - at, "%02x", bytes[i]);
}

bool check_bytes(const char *file, int line, const char *what, const void *expected, size_t n, const void *got,
                 ib_ulint_t got_n)
{
    char a[100], b[100];
    if (got == NULL || got_n == IB_SQL_NULL) {
        report(file, line, "%s: is NULL", what);
        return false;
    }
    if (got_n == n && memcmp(expected, got, n) == 0)
        return true;
    to_hex(a, sizeof a, expected, n);
    to_hex(b, sizeof b, got, got_n);
    report(file, line, "%s: expected %zu bytes %s, got %lu bytes %s", what, n, a, got_n, b);
    return false;
}

bool check_text(const char *file, int line, const char *what, const char *expected, const char *got)
{
    if ((expected == NULL) == (got == NULL) && (expected == NULL || strcmp(expected, got) == 0))
        return true;
    report(file, line, "%s: expected \"%s\", got \"%s\"", what, expected ? expected : "(none)", got ? got : "(none)");
    return false;
}

bool check_null(const char *file, int line, const char *what, ib_tpl_t tpl, ib_ulint_t col)
{
    ib_col_meta_t meta;
    bool null = ib->col_get_meta(tpl, col, &meta) == IB_SQL_NULL && ib->col_get_value(tpl, col) == NULL;
    if (!null)
        report(file, line, "column %s: is not NULL", what);
    return null;
}

/* --- call sequences ---------------------------------------------------------------------------------------------- */

ib_trx_t begin(ib_trx_level_t level)
{
    ib_trx_t trx = ib->trx_begin(level, 1, 0);
    CHECK(trx != NULL);
    return trx;
}

ib_crsr_t open_in(const char *table, ib_trx_t trx)
{
    ib_crsr_t crsr = NULL;
    OK(ib->open_table(table, trx, &crsr));
    return crsr;
}

void end(ib_crsr_t crsr, ib_trx_t trx, bool commit)
{
    if (crsr != NULL)
        OK(ib->cursor_close(crsr));
    if (commit)
        OK(ib->trx_commit(trx));
    else
        OK(ib->trx_rollback(trx));
    OK(ib->trx_release(trx));
}

ib_err_t set(ib_tpl_t tpl, ib_ulint_t col, const void *bytes, size_t n)
{
    return ib->col_set_value(tpl, col, bytes, n, 1);
}

ib_err_t set_text(ib_tpl_t tpl, ib_ulint_t col, const char *text)
{
    return set(tpl, col, text, strlen(text));
}

ib_err_t set_i32(ib_tpl_t tpl, ib_ulint_t col, int32_t value)
{
    return set(tpl, col, &value, sizeof value);
}

ib_err_t set_u64(ib_tpl_t tpl, ib_ulint_t col, uint64_t value)
{
    return set(tpl, col, &value, sizeof value);
}

static ib_err_t insert_whole(ib_crsr_t crsr, const char *k, const char *v, int32_t n, const uint64_t *u)
{
    ib_tpl_t tpl = ib->clust_read_tuple_create(crsr);
    OK(set_text(tpl, ROW_K, k));
    OK(set_text(tpl, ROW_V, v));
    OK(set_i32(tpl, ROW_N, n));
    if (u != NULL)
        OK(set_u64(tpl, ROW_U, *u));
    ib_err_t code = ib->insert_row(crsr, tpl);
    ib->tuple_delete(tpl);
    return code;
}

ib_err_t insert_row(ib_crsr_t crsr, const char *k, const char *v, int32_t n)
{
    return insert_whole(crsr, k, v, n, NULL);
}

ib_err_t insert_row_u(ib_crsr_t crsr, const char *k, const char *v, int32_t n, uint64_t u)
{
    return insert_whole(crsr, k, v, n, &u);
}

void fill(const char *keys)
{
    ib_trx_t trx = begin(LEVEL);
    ib_crsr_t crsr = open_in(ROWS, trx);
    for (; *keys != 0; keys++) {
        char key[2] = {*keys, 0};
        OK(insert_row(crsr, key, key, 0));
    }
    end(crsr, trx, true);
}

void empty_tables(void)
{
    for (size_t i = 0; table_names[i] != NULL; i++) {
        ib_trx_t trx = begin(LEVEL);
        ib_crsr_t crsr = open_in(table_names[i], trx);
        OK(ib->set_lock_mode(crsr, IB_LOCK_X));
        ib_err_t code = ib->cursor_first(crsr);
        for (; code == IB_SUCCESS; code = ib->cursor_next(crsr))
            OK(ib->delete_row(crsr));
        CODE(IB_END_OF_INDEX, code);
        end(crsr, trx, true);
    }
}

ib_err_t search(ib_crsr_t crsr, const char *key, ib_match_mode_t match, ib_srch_mode_t mode)
{
    ib_tpl_t tpl = ib->sec_search_tuple_create(crsr);
    OK(set_text(tpl, 0, key));
    ib->set_match_mode(crsr, match);
    ib_err_t code = ib->moveto(crsr, tpl, mode);
    ib->tuple_delete(tpl);
    return code;
}

ib_err_t find(ib_crsr_t crsr, const char *key)
{
    return search(crsr, key, IB_EXACT_MATCH, IB_CUR_GE);
}

static const char *column_at(ib_crsr_t crsr, ib_ulint_t col)
{
    static _Thread_local char text[100];
    ib_tpl_t tpl = ib->clust_read_tuple_create(crsr);
    text[0] = 0;
    if (ib->read_row(crsr, tpl, NULL, NULL) == IB_SUCCESS) {
        ib_col_meta_t meta;
        ib_ulint_t n = ib->col_get_meta(tpl, col, &meta);
        if (n < sizeof text) {
            memcpy(text, ib->col_get_value(tpl, col), n);
            text[n] = 0;
        }
    }
    ib->tuple_delete(tpl);
    return text;
}

const char *key_at(ib_crsr_t crsr)
{
    return column_at(crsr, ROW_K);
}

const char *value_at(ib_crsr_t crsr)
{
    return column_at(crsr, ROW_V);
}

ib_err_t change(ib_crsr_t crsr, const char *key, const char *v)
{
    ib_err_t code = ib->set_lock_mode(crsr, IB_LOCK_X);
    if (code == IB_SUCCESS)
        code = find(crsr, key);
    if (code != IB_SUCCESS)
        return code;
    ib_tpl_t old = ib->clust_read_tuple_create(crsr);
    ib_tpl_t new = ib->clust_read_tuple_create(crsr);
    OK(ib->read_row(crsr, old, NULL, NULL));
    OK(ib->read_row(crsr, new, NULL, NULL));
    OK(set_text(new, ROW_V, v));
    code = ib->update_row(crsr, old, new);
    ib->tuple_delete(old);
    ib->tuple_delete(new);
    return code;
}

ib_err_t erase(ib_crsr_t crsr, const char *key)
{
    ib_err_t code = ib->set_lock_mode(crsr, IB_LOCK_X);
    if (code == IB_SUCCESS)
        code = find(crsr, key);
    return code == IB_SUCCESS ? ib->delete_row(crsr) : code;
}

const char *committed_keys(void)
{
    static _Thread_local char keys[100];
    ib_trx_t trx = begin(LEVEL);
    ib_crsr_t crsr = open_in(ROWS, trx);
    size_t n = 0;
    for (ib_err_t code = ib->cursor_first(crsr); code == IB_SUCCESS && n + 1 < sizeof keys;
         code = ib->cursor_next(crsr))
        keys[n++] = key_at(crsr)[0];
    keys[n] = 0;
    end(crsr, trx, false);
    return keys;
}

const char *committed(const char *key)
{
    ib_trx_t trx = begin(LEVEL);
    ib_crsr_t crsr = open_in(ROWS, trx);
    const char *value = find(crsr, key) == IB_SUCCESS ? value_at(crsr) : "-";
    end(crsr, trx, false);
    return value;
}

/* --- sessions ---------------------------------------------------------------------------------------------------- */

struct session {
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    ib_err_t (*f)(void *); /* NULL: nothing to do */
    void *arg;
    ib_err_t result;
    bool over;
};

static void *session_main(void *arg)
{
    struct session *session = arg;
    pthread_mutex_lock(&session->mutex);
    while (!session->over) {
        if (session->f == NULL) {
            pthread_cond_wait(&session->changed, &session->mutex);
            continue;
        }
        pthread_mutex_unlock(&session->mutex);
        ib_err_t result = session->f(session->arg);
        pthread_mutex_lock(&session->mutex);
        session->result = result;
        session->f = NULL;
        pthread_cond_broadcast(&session->changed);
    }
    pthread_mutex_unlock(&session->mutex);
    return NULL;
}

struct session *session_open(void)
{
    struct session *session = calloc(1, sizeof *session);
    if (session == NULL || pthread_mutex_init(&session->mutex, NULL) || pthread_cond_init(&session->changed, NULL) ||
        pthread_create(&session->thread, NULL, session_main, session)) {
        fprintf(stderr, "cannot start a thread\n");
        exit(2);
    }
    return session;
}

void session_call(struct session *session, ib_err_t (*f)(void *), void *arg)
{
    pthread_mutex_lock(&session->mutex);
    session->f = f;
    session->arg = arg;
    pthread_cond_broadcast(&session->changed);
    pthread_mutex_unlock(&session->mutex);
}

/* Whether the call ended within this time. */
static bool ended_within(struct session *session, long milliseconds)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += milliseconds / 1000;
    until.tv_nsec += milliseconds % 1000 * 1000000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    pthread_mutex_lock(&session->mutex);
    while (session->f != NULL && pthread_cond_timedwait(&session->changed, &session->mutex, &until) != ETIMEDOUT) {
    }
    bool ended = session->f == NULL;
    pthread_mutex_unlock(&session->mutex);
    return ended;
}

bool session_is_blocked(struct session *session)
{
    return !ended_within(session, 50);
}

ib_err_t session_result(struct session *session)
{
    if (!ended_within(session, 30000)) {
        printf("Bail out! a session does not come back\n");
        exit(2);
    }
    return session->result;
}

void session_close(struct session *session)
{
    session_result(session);
    pthread_mutex_lock(&session->mutex);
    session->over = true;
    pthread_cond_broadcast(&session->changed);
    pthread_mutex_unlock(&session->mutex);
    pthread_join(session->thread, NULL);
    pthread_cond_destroy(&session->changed);
    pthread_mutex_destroy(&session->mutex);
    free(session);
}

/* --- program ----------------------------------------------------------------------------------------------------- */

int main(int argc, char **argv)
{
    static const struct test_case *const files[] = {column_cases, tuple_cases, cursor_cases,  row_cases,
                                                    index_cases,  trx_cases,   lock_cases, truncate_cases};
    if (argc < 2 || argc > 3) {
        fprintf(stderr, "usage: %s FOLDER [CASE]\nruns the cases whose name contains CASE, all without it\n", argv[0]);
        return 2;
    }
    if (provider.open(argv[1]) != 0 || provider.define(tables_sql) != 0)
        return 2;
    ib = provider.table();
    int n = 0, failed = 0;
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        for (const struct test_case *one = files[i]; one->name != NULL; one++) {
            if (argc == 3 && strstr(one->name, argv[2]) == NULL)
                continue;
            int before = atomic_load(&failures);
            if (provider.set_lock_wait(20) != 0)
                return 2;
            empty_tables();
            one->run();
            bool good = atomic_load(&failures) == before;
            failed += !good;
            printf("%s %d - %s\n", good ? "ok" : "not ok", ++n, one->name);
            fflush(stdout);
        }
    }
    printf("1..%d\n# %s: %d of %d cases failed\n", n, provider.name, failed, n);
    provider.close();
    return failed != 0;
}
