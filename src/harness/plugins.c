/*
 * plugins.c - INSTALL and UNINSTALL PLUGIN, and the list of loaded plugins.
 *
 * A plugin is a shared library of the plugin folder with MySQL's descriptor array.  Installed
 * plugins are recorded in the table mysql.plugin and loaded again at the next start.
 */
#include "host.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define DEFAULT_LIBRARY "daemon_memcached.so"
#define PLUGIN_COLUMNS                                                                                               \
    "(name VARCHAR(64) NOT NULL DEFAULT '', dl VARCHAR(128) NOT NULL DEFAULT '', PRIMARY KEY (name)) ENGINE=InnoDB"

/* ---- the service the plugin gets ---- */

static void service_log(void *arg, int level, const char *line) {
    (void)arg;
    log_line((log_level)level, "Plugin " DM_PLUGIN_NAME ": %s", line);
}

static void service_init_error(void *arg, const char *message) {
    host *h = arg;
    pthread_mutex_lock(&h->message_lock);
    snprintf(h->message, sizeof h->message, "%s", message);
    pthread_mutex_unlock(&h->message_lock);
}

void plugins_take_message(host *h, char text[PLUGIN_MESSAGE_SIZE]) {
    pthread_mutex_lock(&h->message_lock);
    memcpy(text, h->message, sizeof h->message);
    *h->message = '\0';
    pthread_mutex_unlock(&h->message_lock);
}

static int service_is_shutting_down(void *arg) { return atomic_load(&((host *)arg)->stopping); }

static void service_lock_wait_restart(void *arg) {
    (void)arg;
    refengine_lock_wait_restart();
}

static void service_sync_times(void *arg, uint64_t counts[DM_SYNC_BUCKETS], uint64_t *nanoseconds) {
    refengine_sync_times(((host *)arg)->engine, counts, nanoseconds);
}

void plugins_setup(host *h) {
    pthread_mutex_init(&h->operation, NULL);
    pthread_mutex_init(&h->registry, NULL);
    pthread_mutex_init(&h->message_lock, NULL);
    h->service = (dm_host_service){
        .struct_size = sizeof h->service,
        .arg = h,
        .log = service_log,
        .init_error = service_init_error,
        .is_shutting_down = service_is_shutting_down,
        .lock_wait_restart = service_lock_wait_restart,
        .sync_times = service_sync_times,
    };
}

/* ---- loading ---- */

/* The file for a library name, which is taken as given; the plugin's own library may also lie there
 * under cargo's name, which `cargo run` brings up to date only in deps/.  Free the result. */
static char *library_path(const host *h, const char *library) {
    static const char *const own_names[] = {DEFAULT_LIBRARY, "deps/lib" DEFAULT_LIBRARY, "lib" DEFAULT_LIBRARY};
    char *as_given = must_format("%s/%s", h->options.plugin_dir, library);
    bool own = strcmp(library, DEFAULT_LIBRARY) == 0 || strcmp(library, "libmemcached.so") == 0;
    if (!own || access(as_given, F_OK) == 0) return as_given;
    for (size_t i = 0; i < sizeof own_names / sizeof *own_names; i++) {
        char *other = must_format("%s/%s", h->options.plugin_dir, own_names[i]);
        if (access(other, F_OK) == 0) {
            free(as_given);
            return other;
        }
        free(other);
    }
    return as_given;
}

char *plugins_library_file(const host *h, const char *library, host_error *err) {
    if (*library && !strchr(library, '/')) return library_path(h, library);
    if (!*library)
        fail(err, 1126, "HY000", "No shared library is named; the plugin's own is SONAME '" DEFAULT_LIBRARY "'");
    else
        fail(err, 1124, "HY000", "No paths allowed for shared library");
    return NULL;
}

static bool open_library(host *h, plugin *p, host_error *err) {
    char *path = plugins_library_file(h, p->library, err);
    if (!path) return false;
    p->dl = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!p->dl) {
        const char *reason = dlerror();
        int number = access(path, R_OK) == 0 ? 0 : errno;
        fail(err, 1126, "HY000", "Can't open shared library '%s' (errno: %d %s)", path, number, reason ? reason : "");
    }
    free(path);
    return p->dl != NULL;
}

static void *symbol(plugin *p, const char *name, host_error *err) {
    void *address = dlsym(p->dl, name);
    if (!address) fail(err, 1127, "HY000", "Can't find symbol '%s' in library", name);
    return address;
}

static bool find_descriptor(plugin *p, const char *name, host_error *err) {
    const int *version = symbol(p, DM_SYM_INTERFACE_VERSION, err);
    const int *size = version ? symbol(p, DM_SYM_SIZEOF_PLUGIN, err) : NULL;
    char *at = size ? symbol(p, DM_SYM_DECLARATIONS, err) : NULL;
    if (!at) return false;
    if (*version >> 8 != DM_MYSQL_INTERFACE_VERSION >> 8 || *size < (int)sizeof(dm_mysql_plugin))
        return fail(err, 1126, "HY000", "Can't open shared library '%s' (errno: 0 plugin interface version mismatch)",
                    p->library);
    for (;; at += *size) {
        dm_mysql_plugin *declared = (dm_mysql_plugin *)at;
        if (!declared->name) return fail(err, 1127, "HY000", "Can't find symbol '%s' in library", name);
        if (strcasecmp(declared->name, name) != 0) continue;
        p->declared = declared;
        if (declared->type != DM_PLUGIN_TYPE_DAEMON)
            return fail(err, 1123, "HY000", "Can't initialize function '%s'; it is no DAEMON plugin", name);
        for (const dm_show_var *s = declared->status_vars; s && s->name; s++)
            if ((s->type != DM_SHOW_LONGLONG && s->type != DM_SHOW_CHAR) || !s->value)
                return fail(err, 1123, "HY000",
                            "Can't initialize function '%s'; status variable '%s' has a type this host does not know",
                            name, s->name);
        return true;
    }
}

/* The service symbol holds the version the plugin wants, or our address from an earlier INSTALL. */
static bool offer_service(host *h, plugin *p, host_error *err) {
    void **slot = dlsym(p->dl, DM_SYM_HOST_SERVICE);
    if (!slot) return true;
    if (*slot != &h->service && (uintptr_t)*slot >> 8 != DM_HOST_SERVICE_VERSION >> 8)
        return fail(err, 1126, "HY000", "Can't open shared library '%s' (errno: 0 service interface version mismatch)",
                    p->library);
    *slot = &h->service;
    return true;
}

static bool initialize(host *h, plugin *p, host_error *err) {
    p->handle = (dm_plugin_int){
        .name_str = p->declared->name,
        .name_length = strlen(p->declared->name),
        .plugin = p->declared,
        .plugin_dl = p->dl,
        .data = (void *)refengine_api(h->engine),
    };
    char message[PLUGIN_MESSAGE_SIZE];
    plugins_take_message(h, message);
    if (!p->declared->init || p->declared->init(&p->handle) == 0) return true;
    plugins_take_message(h, message);
    fail(err, 1123, "HY000", "Can't initialize function '%s'; %s", p->declared->name,
         *message ? message : "Plugin initialization function failed.");
    return false;
}

static void unload(plugin *p) {
    variables_free(p);
    if (p->dl) dlclose(p->dl);
    free(p->library);
    free(p);
}

static plugin *load(host *h, const char *name, const char *library, host_error *err) {
    plugin *p = must_alloc(sizeof *p);
    p->library = must_copy(library);
    if (open_library(h, p, err) && find_descriptor(p, name, err) && offer_service(h, p, err) &&
        variables_register(p, &h->options, err) && initialize(h, p, err))
        return p;
    unload(p);
    return NULL;
}

/* ---- the list ---- */

/* The slot of a plugin in the list; it holds NULL when there is none of that name. */
static plugin **find(host *h, const char *name) {
    plugin **at = &h->plugins;
    while (*at && strcasecmp((*at)->declared->name, name) != 0) at = &(*at)->next;
    return at;
}

static void publish(host *h, plugin *p) {
    pthread_mutex_lock(&h->registry);
    plugin **at = &h->plugins;
    while (*at) at = &(*at)->next;
    *at = p;
    pthread_mutex_unlock(&h->registry);
}

/* Takes the plugin out of the list, ends it and frees it. */
static void retire(host *h, plugin **at) {
    plugin *p = *at;
    pthread_mutex_lock(&h->registry);
    *at = p->next;
    pthread_mutex_unlock(&h->registry);
    if (p->declared->deinit && p->declared->deinit(&p->handle) != 0)
        log_line(LOG_WARNING, "DM3009: Plugin '%s' reported a failure while it stopped", p->declared->name);
    unload(p);
}

/* ---- mysql.plugin ---- */

/* A string literal of SQL. */
static void add_literal(buffer *sql, const char *text) {
    buffer_add_text(sql, "'");
    for (; *text; text++) {
        if (*text == '\'' || *text == '\\') buffer_add(sql, "\\", 1);
        buffer_add(sql, text, 1);
    }
    buffer_add_text(sql, "'");
}

static bool run_system(host *h, const char *sql, refengine_report_fn report, void *arg, host_error *err) {
    return host_execute(h->system, "the table mysql.plugin", sql, report, arg, err);
}

static bool record(host *h, const plugin *p, const char *table, host_error *err) {
    buffer sql = {0};
    buffer_add_text(&sql, "REPLACE INTO mysql.");
    buffer_add_text(&sql, table);
    buffer_add_text(&sql, " (name, dl) VALUES (");
    add_literal(&sql, p->declared->name);
    buffer_add_text(&sql, ", ");
    add_literal(&sql, p->library);
    buffer_add_text(&sql, ")");
    bool done = run_system(h, sql.data, NULL, NULL, err);
    buffer_free(&sql);
    return done;
}

static bool forget(host *h, const char *name, host_error *err) {
    buffer sql = {0};
    buffer_add_text(&sql, "DELETE FROM mysql.plugin WHERE name = ");
    add_literal(&sql, name);
    bool done = run_system(h, sql.data, NULL, NULL, err);
    buffer_free(&sql);
    return done;
}

static int note_row(void *arg, const refengine_report_t *report) {
    if (report->event == REFENGINE_ROW) *(bool *)arg = true;
    return 0;
}

bool plugins_table_exists(host *h, bool *exists, host_error *err) {
    *exists = false;
    return run_system(h, "SHOW TABLES FROM mysql LIKE 'plugin'", note_row, exists, err);
}

bool plugins_create_table(host *h, host_error *err) {
    return run_system(h, "CREATE TABLE IF NOT EXISTS mysql.plugin " PLUGIN_COLUMNS, NULL, NULL, err);
}

/* mariadb-dump demands two tables of the database mysql whatever else is in it. Nothing is logged in them. */
bool plugins_create_log_tables(host *h, host_error *err) {
    return run_system(h,
                      "CREATE TABLE IF NOT EXISTS mysql.general_log (event_time BIGINT NOT NULL, thread_id BIGINT UNSIGNED NOT NULL, "
                      "argument MEDIUMTEXT, PRIMARY KEY (event_time, thread_id));"
                      "CREATE TABLE IF NOT EXISTS mysql.slow_log (start_time BIGINT NOT NULL, thread_id BIGINT UNSIGNED NOT NULL, "
                      "sql_text MEDIUMTEXT, PRIMARY KEY (start_time, thread_id))",
                      NULL, NULL, err);
}

/* ---- what the rest of the host calls ---- */

bool plugins_install(host *h, const char *name, const char *library, install_mode mode, host_error *err) {
    bool done = false;
    pthread_mutex_lock(&h->operation);
    if (atomic_load(&h->stopping)) {
        fail(err, 1053, "08S01", "Server shutdown in progress");
    } else if (*find(h, name)) {
        fail(err, 1968, "HY000", "Plugin '%s' already installed.", name);
    } else {
        plugin *p = load(h, name, library, err);
        if (p) {
            publish(h, p);
            done = mode == INSTALL_LOAD || record(h, p, "plugin", err);
            if (!done) retire(h, find(h, p->declared->name));
        }
    }
    pthread_mutex_unlock(&h->operation);
    return done;
}

bool plugins_uninstall(host *h, const char *name, host_error *err) {
    bool done = false;
    pthread_mutex_lock(&h->operation);
    plugin **at = find(h, name);
    plugin *p = *at;
    if (!p)
        fail(err, 1305, "42000", "PLUGIN %s does not exist", name);
    else if (p->declared->check_uninstall && p->declared->check_uninstall(&p->handle) != 0)
        fail(err, 1883, "HY000", "Plugin '%s' cannot be uninstalled now. It is in use.", p->declared->name);
    else if ((done = forget(h, p->declared->name, err)))
        retire(h, at);
    pthread_mutex_unlock(&h->operation);
    return done;
}

void plugins_stop(host *h) {
    pthread_mutex_lock(&h->operation);
    while (h->plugins) {
        plugin **at = &h->plugins;
        while ((*at)->next) at = &(*at)->next;
        retire(h, at);
    }
    pthread_mutex_unlock(&h->operation);
}

bool plugins_first_start(host *h, host_error *err) {
    if (!plugins_install(h, DM_PLUGIN_NAME, DEFAULT_LIBRARY, INSTALL_LOAD, err)) return false;
    /* mysql.plugin says that the first start is done, so it appears together with its row: a start that
     * is cut off before, or fails, is repeated. */
    return run_system(h, "DROP TABLE IF EXISTS mysql.plugin_new; CREATE TABLE mysql.plugin_new " PLUGIN_COLUMNS, NULL,
                      NULL, err) &&
           record(h, *find(h, DM_PLUGIN_NAME), "plugin_new", err) &&
           run_system(h, "RENAME TABLE mysql.plugin_new TO mysql.plugin", NULL, NULL, err);
}

typedef struct recorded {
    struct recorded *next;
    char *name, *library;
} recorded;

static int collect(void *arg, const refengine_report_t *report) {
    if (report->event != REFENGINE_ROW || report->n_columns < 2 || !report->values[0] || !report->values[1]) return 0;
    recorded **at = arg;
    while (*at) at = &(*at)->next;
    *at = must_alloc(sizeof **at);
    **at = (recorded){NULL, must_copy(report->values[0]), must_copy(report->values[1])};
    return 0;
}

bool plugins_load_recorded(host *h, host_error *err) {
    recorded *list = NULL;
    bool good = run_system(h, "SELECT name, dl FROM mysql.plugin", collect, &list, err);
    while (list) {
        recorded *r = list;
        host_error failure;
        if (good && !plugins_install(h, r->name, r->library, INSTALL_LOAD, &failure)) {
            if (failure.number == 0 || !h->options.keep_running) {
                *err = failure;
                if (failure.number)
                    fail(err, 0, "HY000", "plugin '%s' of an earlier start cannot be loaded; --keep-running starts without it: %s",
                         r->name, failure.message);
                good = false;
            } else {
                log_line(LOG_ERROR, "DM3010: Plugin '%s' of mysql.plugin was not loaded: %s", r->name, failure.message);
            }
        }
        list = r->next;
        free(r->name);
        free(r->library);
        free(r);
    }
    return good;
}

bool plugins_set_global(host *h, const char *name, const char *value, host_error *err) {
    bool done = false, found = false;
    pthread_mutex_lock(&h->operation);
    for (plugin *p = h->plugins; p && !found; p = p->next) {
        for (size_t i = 0; i < p->n_variables && !found; i++) {
            found = strcasecmp(p->variables[i].name, name) == 0;
            if (found) done = variable_set(h, &p->variables[i], value, err);
        }
    }
    pthread_mutex_unlock(&h->operation);
    return found ? done : fail(err, 1193, "HY000", "Unknown system variable '%s'", name);
}

void status_text(const dm_show_var *status, char *text, size_t size) {
    if (status->type == DM_SHOW_LONGLONG)
        snprintf(text, size, "%lld", (long long)__atomic_load_n((int64_t *)status->value, __ATOMIC_RELAXED));
    else
        snprintf(text, size, "%s", status->value);
}

bool plugins_status(host *h, const char *name, char *text, size_t size) {
    bool found = false;
    pthread_mutex_lock(&h->registry);
    for (plugin *p = h->plugins; p && !found; p = p->next) {
        for (const dm_show_var *s = p->declared->status_vars; s && s->name && !found; s++) {
            found = strcasecmp(s->name, name) == 0;
            if (found) status_text(s, text, size);
        }
    }
    pthread_mutex_unlock(&h->registry);
    return found;
}

/* Under `registry` nobody can begin to stop a plugin of the list. */
void plugins_connections(host *h, dm_connection_fn tell, void *arg) {
    pthread_mutex_lock(&h->registry);
    for (const plugin *p = h->plugins; p; p = p->next) {
        dm_connections_fn list = (dm_connections_fn)(uintptr_t)dlsym(p->dl, DM_SYM_CONNECTIONS);
        if (list) list(tell, arg);
    }
    pthread_mutex_unlock(&h->registry);
}

bool plugins_kill(host *h, uint64_t id) {
    bool killed = false;
    pthread_mutex_lock(&h->registry);
    for (const plugin *p = h->plugins; p && !killed; p = p->next) {
        dm_kill_fn kill_one = (dm_kill_fn)(uintptr_t)dlsym(p->dl, DM_SYM_KILL);
        killed = kill_one && kill_one(id) != 0;
    }
    pthread_mutex_unlock(&h->registry);
    return killed;
}
