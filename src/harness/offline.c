/*
 * offline.c - the subcommands that work on a data directory while no server has it: check here, dump and load in
 * dump.c and load.c.
 *
 * They open the engine as a server would, so what a crash left behind is recovered first, and whoever has the
 * directory open keeps it to himself.
 */
#include "host.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

bool offline_open(offline *o, const char *datadir) {
    char reason[1024] = "";
    struct stat found;
    char *inner = must_format("%s/refengine.lock", datadir);
    bool there = stat(inner, &found) == 0;
    free(inner);
    /* Opening would make one. */
    if (!there) return print_error("'%s' is no data directory: %s", datadir, strerror(errno));
    refengine_result_t result = refengine_open(datadir, NULL, &o->engine, reason, sizeof reason);
    if (result == REFENGINE_LOCKED) return print_error("the data directory '%s' is in use by another process", datadir);
    if (result != REFENGINE_OK) return print_error("cannot open the data directory '%s': %s", datadir, reason);
    if (refengine_session_open(o->engine, &o->session) == REFENGINE_OK) return true;
    offline_close(o);
    return print_error("cannot open a session of the engine");
}

void offline_close(offline *o) {
    refengine_session_close(o->session);
    refengine_close(o->engine);
    *o = (offline){0};
}

bool offline_query(offline *o, const char *sql, refengine_report_fn report, void *arg) {
    if (refengine_execute(o->session, sql, strlen(sql), report, arg) == REFENGINE_OK) return true;
    return print_error("%s", refengine_last_error(o->session));
}

void quote_name(buffer *b, const char *name) {
    buffer_add_text(b, "`");
    for (; *name; name++) {
        if (*name == '`') buffer_add_text(b, "`");
        buffer_add(b, name, 1);
    }
    buffer_add_text(b, "`");
}

static void quote_text(buffer *b, const char *text) {
    buffer_add_text(b, "'");
    for (; *text; text++) {
        if (*text == '\'' || *text == '\\') buffer_add_text(b, "\\");
        buffer_add(b, text, 1);
    }
    buffer_add_text(b, "'");
}

/* ---- a table and its columns ---- */

static int take_pair(void *arg, const refengine_report_t *r) {
    char **pair = arg;
    if (r->event == REFENGINE_ROW && r->values[0] && r->values[1] && !pair[0]) {
        pair[0] = must_copy(r->values[0]);
        pair[1] = must_copy(r->values[1]);
    }
    return 0;
}

/* The database and the table of a container, or of DATABASE.TABLE. */
static bool find_names(offline *o, const char *what, char *pair[2]) {
    const char *dot = strchr(what, '.');
    if (dot) {
        pair[0] = must_format("%.*s", (int)(dot - what), what);
        pair[1] = must_copy(dot + 1);
        return true;
    }
    buffer sql = {0};
    buffer_add_text(&sql, "SELECT db_schema, db_table FROM innodb_memcache.containers WHERE name = ");
    quote_text(&sql, what);
    bool done = offline_query(o, sql.data, take_pair, pair);
    buffer_free(&sql);
    if (done && !pair[0]) return print_error("there is no container '%s'; a table is DATABASE.TABLE", what);
    return done;
}

static int take_column(void *arg, const refengine_report_t *r) {
    offline_table *t = arg;
    if (r->event != REFENGINE_ROW) return 0;
    offline_column *columns = must_alloc((t->n_columns + 1) * sizeof *columns);
    if (t->n_columns) memcpy(columns, t->columns, t->n_columns * sizeof *columns);
    free(t->columns);
    t->columns = columns;
    columns[t->n_columns++] = (offline_column){
        .name = must_copy(r->values[0]), .is_integer = r->values[1] && strstr(r->values[1], "int") != NULL};
    return 0;
}

bool offline_find(offline *o, const char *what, offline_table *t) {
    char *pair[2] = {NULL, NULL};
    buffer sql = {0}, name = {0};
    *t = (offline_table){0};
    bool done = find_names(o, what, pair);
    if (done) {
        buffer_add_text(&sql, "SELECT COLUMN_NAME, DATA_TYPE FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = ");
        quote_text(&sql, pair[0]);
        buffer_add_text(&sql, " AND TABLE_NAME = ");
        quote_text(&sql, pair[1]);
        buffer_add_text(&sql, " ORDER BY ORDINAL_POSITION");
        done = offline_query(o, sql.data, take_column, t);
    }
    if (done && !t->n_columns) done = print_error("there is no table '%s.%s'", pair[0], pair[1]);
    if (done) {
        quote_name(&name, pair[0]);
        buffer_add_text(&name, ".");
        quote_name(&name, pair[1]);
        t->name = name.data;
    }
    buffer_free(&sql);
    free(pair[0]);
    free(pair[1]);
    return done;
}

void offline_forget(offline_table *t) {
    for (size_t i = 0; i < t->n_columns; i++) free(t->columns[i].name);
    free(t->columns);
    free(t->name);
    *t = (offline_table){0};
}

/* ---- progress on a terminal ---- */

enum { BAR_WIDTH = 30 };

void progress_start(progress *p) {
    *p = (progress){.on = isatty(STDERR_FILENO)};
    clock_gettime(CLOCK_MONOTONIC, &p->shown);
}

void progress_show(progress *p, uint64_t done, uint64_t all, uint64_t rows) {
    struct timespec now;
    if (!p->on) return;
    clock_gettime(CLOCK_MONOTONIC, &now);
    bool ended = all && done >= all;
    if (!ended && (now.tv_sec - p->shown.tv_sec) * 1000 + (now.tv_nsec - p->shown.tv_nsec) / 1000000 < 100) return;
    p->shown = now;
    p->begun = true;
    if (all) {
        int part = (int)(done >= all ? BAR_WIDTH : done * BAR_WIDTH / all);
        fprintf(stderr, "\r[%.*s%*s] %3d%%  %llu rows", part, "##############################", BAR_WIDTH - part, "",
                (int)(done >= all ? 100 : done * 100 / all), (unsigned long long)rows);
    } else {
        fprintf(stderr, "\r%llu rows", (unsigned long long)rows);
    }
    fflush(stderr);
}

void progress_end(progress *p) {
    if (p->begun) fputc('\n', stderr);
    p->begun = false;
}

/* ---- check ---- */

typedef struct checked {
    buffer statements; /* CHECK TABLE for each table, ended by NUL */
    size_t tables, damaged;
} checked;

static const char check_table[] = "CHECK TABLE ";

static int take_table(void *arg, const refengine_report_t *r) {
    checked *c = arg;
    if (r->event != REFENGINE_ROW) return 0;
    buffer_add_text(&c->statements, check_table);
    quote_name(&c->statements, r->values[0]);
    buffer_add_text(&c->statements, ".");
    quote_name(&c->statements, r->values[1]);
    buffer_add(&c->statements, "", 1);
    c->tables++;
    return 0;
}

/* A line of CHECK TABLE: table, operation, kind, text.  What is wrong stands in front of the verdict. */
static int take_verdict(void *arg, const refengine_report_t *r) {
    checked *c = arg;
    if (r->event != REFENGINE_ROW) return 0;
    bool good = strcmp(r->values[2], "status") == 0 && strcmp(r->values[3], "OK") == 0;
    bool verdict = good || strcmp(r->values[3], "Corrupt") == 0 || strcmp(r->values[2], "status") == 0;
    if (good || !verdict) printf("%s: %s\n", r->values[0], r->values[3]);
    if (verdict && !good) c->damaged++;
    return 0;
}

bool check_directory(int argc, char **argv) {
    offline o = {0};
    checked c = {0};
    if (argc != 1 || argv[0][0] == '-') return print_error("usage: " HOST_NAME " check DIR");
    if (!offline_open(&o, argv[0])) return false;
    bool done = offline_query(&o,
                              "SELECT TABLE_SCHEMA, TABLE_NAME FROM information_schema.TABLES"
                              " WHERE TABLE_TYPE = 'BASE TABLE' ORDER BY TABLE_SCHEMA, TABLE_NAME",
                              take_table, &c);
    const char *statement = c.statements.data;
    for (size_t i = 0; done && i < c.tables; i++, statement += strlen(statement) + 1) {
        /* A table that cannot even be looked at does not keep the others from it. */
        if (refengine_execute(o.session, statement, strlen(statement), take_verdict, &c) == REFENGINE_OK) continue;
        printf("%s: %s\n", statement + strlen(check_table), refengine_last_error(o.session));
        c.damaged++;
    }
    buffer_free(&c.statements);
    offline_close(&o);
    if (done && c.damaged)
        return print_error("%zu of %zu tables are damaged: restore them from a backup", c.damaged, c.tables);
    if (fflush(stdout) != 0) return print_error("cannot write to standard output: %s", strerror(errno));
    return done;
}
