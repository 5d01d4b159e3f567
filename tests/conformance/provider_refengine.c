/* The bundled engine as implementer of the table. */
#include "provider.h"
#include "refengine.h"

#include <stdio.h>
#include <string.h>

static refengine_t *engine;
static refengine_session_t *session;

static int open_engine(const char *folder)
{
    char error[512];
    if (refengine_open(folder, "innodb_flush_log_at_trx_commit=2", &engine, error, sizeof error) != REFENGINE_OK) {
        fprintf(stderr, "refengine_open: %s\n", error);
        return 1;
    }
    return refengine_session_open(engine, &session) != REFENGINE_OK;
}

static const ib_cb_t *table(void)
{
    return refengine_api(engine);
}

static int define(const char *sql)
{
    if (refengine_execute(session, sql, strlen(sql), NULL, NULL) == REFENGINE_OK)
        return 0;
    fprintf(stderr, "%s: %s\n", sql, refengine_last_error(session));
    return 1;
}

static int set_lock_wait(unsigned int seconds)
{
    char sql[80];
    snprintf(sql, sizeof sql, "SET GLOBAL innodb_api_lock_wait_timeout = %u", seconds);
    return define(sql);
}

static void close_engine(void)
{
    refengine_session_close(session);
    refengine_close(engine);
}

const struct provider provider = {
    .name = "refengine",
    .open = open_engine,
    .table = table,
    .define = define,
    .set_lock_wait = set_lock_wait,
    .close = close_engine,
};
