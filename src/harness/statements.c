/*
 * statements.c - the statements that the engine parses and hands to its host.
 *
 * Runs on the thread of the session that executes the statement; the engine holds no lock.
 */
#include "host.h"

#include <stdlib.h>
#include <string.h>

bool host_execute(refengine_session_t *session, const char *what, const char *sql, refengine_report_fn report,
                  void *arg, host_error *err) {
    if (refengine_execute(session, sql, strlen(sql), report, arg) == REFENGINE_OK) return true;
    return fail(err, refengine_last_errno(session), refengine_last_sqlstate(session), "%s, line %u: %s", what,
                refengine_last_line(session), refengine_last_error(session));
}

static void row(refengine_reply_t *reply, const char *name, const char *value) {
    const char *values[] = {name, value};
    refengine_reply_row(reply, 2, values);
}

static void show_plugins(host *h, refengine_reply_t *reply) {
    static const char *const names[] = {"Name", "Status", "Type", "Library", "License"};
    static const char *const licenses[] = {"PROPRIETARY", "GPL", "BSD"};
    refengine_reply_columns(reply, 5, names);
    pthread_mutex_lock(&h->registry);
    for (const plugin *p = h->plugins; p; p = p->next) {
        unsigned int license = (unsigned int)p->declared->license;
        const char *values[] = {p->declared->name, "ACTIVE", "DAEMON", p->library, licenses[license < 3 ? license : 0]};
        refengine_reply_row(reply, 5, values);
    }
    pthread_mutex_unlock(&h->registry);
}

static void show_variables(host *h, refengine_reply_t *reply) {
    char text[VALUE_TEXT_MAX];
    row(reply, "datadir", h->options.datadir);
    row(reply, "init_file", h->options.init_file ? h->options.init_file : "");
    row(reply, "plugin_dir", h->options.plugin_dir);
    snprintf(text, sizeof text, "%u", h->sql_port);
    row(reply, "port", text);
    row(reply, "skip_networking", h->options.skip_networking ? "ON" : "OFF");
    row(reply, "socket", h->sql_socket ? h->sql_socket : "");
    row(reply, "version", HOST_VERSION);
    pthread_mutex_lock(&h->registry);
    for (const plugin *p = h->plugins; p; p = p->next) {
        for (size_t i = 0; i < p->n_variables; i++) {
            variable_text(&p->variables[i], text, sizeof text);
            row(reply, p->variables[i].name, text);
        }
    }
    pthread_mutex_unlock(&h->registry);
}

static void show_status(host *h, refengine_reply_t *reply) {
    char text[VALUE_TEXT_MAX];
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    snprintf(text, sizeof text, "%lld", (long long)(now.tv_sec - h->started.tv_sec));
    row(reply, "Uptime", text);
    pthread_mutex_lock(&h->registry);
    for (const plugin *p = h->plugins; p; p = p->next) {
        for (const dm_show_var *s = p->declared->status_vars; s && s->name; s++) {
            status_text(s, text, sizeof text);
            row(reply, s->name, text);
        }
    }
    pthread_mutex_unlock(&h->registry);
}

static void show_connection(void *arg, const dm_connection *c) {
    char id[24], silent[24];
    snprintf(id, sizeof id, "%llu", (unsigned long long)c->id);
    snprintf(silent, sizeof silent, "%llu", (unsigned long long)c->silent);
    const char *values[] = {id, c->user, c->address, c->database, silent, c->state};
    refengine_reply_row(arg, 6, values);
}

/* One of the host's own variables, which are all fixed at start. */
static bool is_own_variable(const char *name) {
    static const char *const names[] = {"datadir",         "init_file", "plugin_dir", "port",
                                        "skip_networking", "socket",    "version"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(names[i], name) == 0) return true;
    return false;
}

int host_statement(void *arg, const refengine_host_statement_t *statement, refengine_reply_t *reply) {
    host *h = arg;
    host_error err;
    bool done = true;
    switch (statement->kind) {
    case REFENGINE_INSTALL_PLUGIN:
        done = plugins_install(h, statement->name, statement->value, INSTALL_STATEMENT, &err);
        break;
    case REFENGINE_UNINSTALL_PLUGIN: done = plugins_uninstall(h, statement->name, &err); break;
    case REFENGINE_SHOW_PLUGINS: show_plugins(h, reply); break;
    case REFENGINE_SHOW_VARIABLES: show_variables(h, reply); break;
    case REFENGINE_SHOW_STATUS: show_status(h, reply); break;
    case REFENGINE_SET_GLOBAL:
        if (is_own_variable(statement->name))
            done = fail(&err, 1238, "HY000", "Variable '%s' is a read only variable", statement->name);
        else
            done = plugins_set_global(h, statement->name, statement->value, &err);
        break;
    case REFENGINE_SHOW_CONNECTIONS: plugins_connections(h, show_connection, reply); break;
    case REFENGINE_KILL:
        if (!plugins_kill(h, strtoull(statement->name, NULL, 10)))
            done = fail(&err, 1094, "HY000", "Unknown thread id: %s", statement->name);
        break;
    case REFENGINE_LIBRARY_FILE: {
        char *file = plugins_library_file(h, statement->name, &err);
        done = file != NULL;
        if (done) refengine_reply_row(reply, 1, (const char *const[]){file});
        free(file);
        break;
    }
    default: done = fail(&err, 1235, "42000", "This host does not know statement kind %d", (int)statement->kind);
    }
    if (done) return 0;
    if (err.number == 0) { /* an option of the command line is wrong for the plugin */
        char *message = must_format("Can't initialize function '%s'; %s", statement->name, err.message);
        refengine_reply_error(reply, 1123, "HY000", message);
        free(message);
    } else {
        refengine_reply_error(reply, err.number, err.sqlstate, err.message);
    }
    return 1;
}
