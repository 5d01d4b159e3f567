/*
 * The engine's life from C, again and again: open, statements on several threads, transactions left open, errors,
 * close.  Run under valgrind by tests/sanitize.  usage: lifecycle FOLDER
 */
#include "refengine.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROUNDS = 4, THREADS = 4, STATEMENTS = 25 };

static void fail(const char *what, const char *why)
{
    fprintf(stderr, "%s: %s\n", what, why);
    exit(1);
}

static int count(void *arg, const refengine_report_t *report)
{
    size_t *bytes = arg;
    for (unsigned int i = 0; report->event == REFENGINE_ROW && i < report->n_columns; i++)
        *bytes += report->values[i] != NULL ? report->lengths[i] : 0;
    return 0;
}

static void run(refengine_session_t *session, const char *sql)
{
    size_t bytes = 0;
    if (refengine_execute(session, sql, strlen(sql), count, &bytes) != REFENGINE_OK)
        fail(sql, refengine_last_error(session));
}

static void refuse(refengine_session_t *session, const char *sql, unsigned int number)
{
    if (refengine_execute(session, sql, strlen(sql), NULL, NULL) == REFENGINE_OK)
        fail(sql, "was not refused");
    if (refengine_last_errno(session) != number)
        fail(sql, refengine_last_error(session));
}

struct work {
    refengine_t *engine;
    int thread;
};

static void *work(void *arg)
{
    struct work *work = arg;
    refengine_session_t *session;
    char sql[200];
    if (refengine_session_open(work->engine, &session) != REFENGINE_OK)
        fail("a session", "not opened");
    for (int i = 0; i < STATEMENTS; i++) {
        snprintf(sql, sizeof sql, "REPLACE INTO life.t VALUES (%d, '%0*d')", work->thread * 1000 + i, i * 5 + 1, i);
        run(session, sql);
        run(session, "SELECT COUNT(*), MAX(v) FROM life.t WHERE id > 500");
    }
    run(session, "BEGIN; DELETE FROM life.t WHERE id = 1");
    refuse(session, "INSERT INTO life.t VALUES (1000, 'again'), (1000, 'and again')", 1062);
    refuse(session, "SELECT * FROM life.none", 1146);
    refuse(session, "SELEC", 1064);
    refengine_session_close(session); /* with its transaction open */
    return NULL;
}

/* The callback table: a transaction that is released while it is started, cursors that outlive it. */
static void use_table(const ib_cb_t *ib)
{
    ib_trx_t trx = ib->trx_begin(IB_TRX_REPEATABLE_READ, 1, 0);
    ib_crsr_t crsr;
    if (trx == NULL || ib->open_table("life/t", trx, &crsr) != IB_SUCCESS)
        fail("the table", "not opened");
    ib_tpl_t row = ib->clust_read_tuple_create(crsr);
    ib_col_meta_t meta;
    for (ib_err_t code = ib->cursor_first(crsr); code == IB_SUCCESS; code = ib->cursor_next(crsr)) {
        if (ib->read_row(crsr, row, NULL, NULL) != IB_SUCCESS)
            fail("a row", "not read");
        ib_ulint_t n = ib->col_get_meta(row, 1, &meta);
        char *copy = malloc(n + 1);
        if (copy == NULL)
            fail("malloc", "no memory");
        memcpy(copy, ib->col_get_value(row, 1), n);
        free(copy);
    }
    ib->tuple_delete(row);
    ib->trx_release(trx);
    ib->cursor_close(crsr);
}

int main(int argc, char **argv)
{
    char error[300];
    if (argc != 2)
        fail("usage", "lifecycle FOLDER");
    for (int round = 0; round < ROUNDS; round++) {
        refengine_t *engine, *second = NULL;
        refengine_session_t *session;
        pthread_t threads[THREADS];
        struct work works[THREADS];
        if (refengine_open(argv[1], "innodb_flush_log_at_trx_commit=2\ninnodb_buffer_pool_size=5242880", &engine, error,
                           sizeof error) != REFENGINE_OK)
            fail("refengine_open", error);
        if (refengine_is_new(engine) != (round == 0))
            fail("refengine_is_new", "is wrong");
        if (refengine_open(argv[1], NULL, &second, error, sizeof error) != REFENGINE_LOCKED)
            fail("a second open", "was not refused");
        if (refengine_session_open(engine, &session) != REFENGINE_OK)
            fail("a session", "not opened");
        run(session, "CREATE DATABASE IF NOT EXISTS life;"
                     "CREATE TABLE IF NOT EXISTS life.t (id INT PRIMARY KEY, v LONGTEXT)");
        for (int i = 0; i < THREADS; i++) {
            works[i] = (struct work){engine, i};
            if (pthread_create(&threads[i], NULL, work, &works[i]) != 0)
                fail("pthread_create", "failed");
        }
        for (int i = 0; i < THREADS; i++)
            pthread_join(threads[i], NULL);
        use_table(refengine_api(engine));
        if (round % 2 == 1)
            run(session, "TRUNCATE TABLE life.t; RENAME TABLE life.t TO life.u; DROP TABLE life.u");
        refengine_session_close(session);
        refengine_close(engine);
    }
    refengine_close(NULL);
    refengine_session_close(NULL);
    return 0;
}
