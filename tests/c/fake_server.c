/*
 * fake_server.c - what a MySQL server of an older generation does with the plugin.
 *
 * fake_server LIBRARY DATADIR VERSION OPTION ALLOW_UNTESTED SCRIPT...
 *
 * Opens the bundled engine of LIBRARY, runs the SQL scripts, then loads the plugin of the same library the way mysqld of
 * VERSION does: it exports that server_version, reads the descriptor in the layout of its generation, checks
 * versions, hands the InnoDB API table over in its generation's layout and calls init().  Words behind VERSION are options
 * of that server: -mdl for innodb_api_enable_mdl, -binlog for a binary log, -dates takes MEDIUMINT for DATE.  Prints
 * "listening ADDRESSES" or "refused MESSAGE", serves until standard input ends, calls deinit().  For each line of the
 * input it prints how many cursors were opened and how many closed, where the table is that of 5.7.
 */
#include <dlfcn.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "innodb_api.h"
#include "mysql_plugin_abi.h"
#include "refengine.h"

#define FAIL(...) (fprintf(stderr, "fake_server: " __VA_ARGS__), fputc('\n', stderr), exit(2))
#define CHECK(condition) ((condition) ? (void)0 : FAIL("%s:%d: %s", __FILE__, __LINE__, #condition))

/* What the plugin looks for in a server's program. */
char server_version[64];
static const ib_cb_t *api;
static char message[512];

static void note_error(unsigned int code, const char *format, va_list args) {
    CHECK(code == 3130);
    vsnprintf(message, sizeof message, format, args);
}
/* C in 5.7, C++ from 8.0 on: only one of them belongs to a server, the plugin must not mind both. */
void my_printf_error(unsigned int code, const char *format, int flags, ...);
void my_printf_error(unsigned int code, const char *format, int flags, ...) {
    va_list args;
    va_start(args, flags);
    note_error(code, format, args);
    va_end(args);
}

/* ---- the tables of 5.6 and 5.7 ---- */

typedef void (*entry)(void);
static void no_entry(void) { FAIL("an entry of a table was called whose layout nobody knows"); }

/* 5.6: 61 entries, in an order of their own. */
static entry table_56[61];

/* 5.7: the canonical entries; what it tells of columns is not what the bundled engine tells. */
static ib_cb_t table_57;
static bool has_dates, has_mdl;

/* How often the plugin opened a table or an index, and how often it closed one. */
static atomic_ulong opened, closed;

static ib_err_t open_table_57(const char *name, ib_trx_t trx, ib_crsr_t *crsr) {
    ib_err_t result = api->open_table(name, trx, crsr);
    if (result == IB_SUCCESS) opened++;
    return result;
}

static ib_err_t open_index_57(ib_crsr_t table, const char *name, ib_crsr_t *crsr, int *kind, uint64_t *id) {
    ib_err_t result = api->open_index_using_name(table, name, crsr, kind, id);
    if (result == IB_SUCCESS) opened++;
    return result;
}

static ib_err_t cursor_close_57(ib_crsr_t crsr) {
    closed++;
    return api->cursor_close(crsr);
}

static int get_cfg_57(void) {
    const int own = IB_CFG_LASTING_TUPLES | IB_CFG_FIELDS | IB_CFG_TABLE_SIZES | IB_CFG_TABLE_CHANGES;
    return (api->get_cfg() & ~own) | (has_mdl ? IB_CFG_MDL_ENABLED : 0);
}

static ib_ulint_t col_get_meta_57(ib_tpl_t tpl, ib_ulint_t col, ib_col_meta_t *meta) {
    ib_ulint_t length = api->col_get_meta(tpl, col, meta);
    switch (meta->type) {
    case IB_BLOB: /* 8 bytes of reference, and 1 to 4 of length */
        meta->client_type = 252;
        meta->type_len = meta->type_len < 1u << 8 ? 9 : meta->type_len < 1u << 16 ? 10 : meta->type_len < 1u << 24 ? 11 : 12;
        break;
    case IB_INT: {
        static const uint16_t by_bytes[9] = {0, 1, 2, 9, 3, 0, 0, 0, 8};
        /* A DATE is three bytes there. */
        meta->client_type = has_dates && meta->type_len == 3 ? 10 : by_bytes[meta->type_len];
        break;
    }
    case IB_CHAR: case IB_CHAR_ANYCHARSET: case IB_BINARY: meta->client_type = 254; break;
    case IB_VARCHAR: case IB_VARCHAR_ANYCHARSET: case IB_VARBINARY: meta->client_type = 15; break;
    default: break;
    }
    return length;
}

/* my_bool of the server: whether it writes a binary log. */
char opt_bin_log;

/* The one service that every series has; its pointer is the plugin's. */
static int log_message(void **plugin, int level, const char *format, ...) {
    CHECK(plugin && level >= 0 && level <= 2);
    va_list args;
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    return 0;
}
static struct { int (*message)(void **, int, const char *, ...); } log_service = {log_message};

/* ---- the engine ---- */

static void *library;
static void *symbol(const char *name) {
    void *found = dlsym(library, name);
    if (!found) FAIL("%s", dlerror());
    return found;
}
/* ISO C has no cast from an object pointer to a function pointer. */
#define FUNCTION(name) ({ __typeof__(&name) function_; void *found_ = symbol(#name); memcpy(&function_, &found_, sizeof found_); function_; })

static void run_script(refengine_session_t *session, const char *path) {
    FILE *file = fopen(path, "rb");
    if (!file) FAIL("cannot read %s", path);
    static char text[1 << 16];
    size_t length = fread(text, 1, sizeof text, file);
    fclose(file);
    if (FUNCTION(refengine_execute)(session, text, length, NULL, NULL) != REFENGINE_OK)
        FAIL("%s: %s", path, FUNCTION(refengine_last_error)(session));
}

/* ---- variables, as a server sets them before init() ---- */

static void set_variables(dm_sys_var **vars, const char *option, bool allow_untested) {
    for (; vars && *vars; vars++) {
        dm_sys_var *var = *vars;
        switch (var->flags & DM_VAR_TYPEMASK) {
        case DM_VAR_STR: {
            dm_sys_var_str *v = (dm_sys_var_str *)var;
            const char *value = strcmp(var->name, "option") == 0 ? option : v->def_val;
            *v->value = value ? strdup(value) : NULL;
            break;
        }
        case DM_VAR_BOOL: {
            dm_sys_var_bool *v = (dm_sys_var_bool *)var;
            *v->value = strcmp(var->name, "allow_untested_server") == 0 ? allow_untested
                        : strcmp(var->name, "enable_binlog") == 0       ? opt_bin_log
                                                                        : v->def_val;
            break;
        }
        case DM_VAR_INT: {
            dm_sys_var_uint *v = (dm_sys_var_uint *)var;
            *v->value = v->def_val;
            break;
        }
        default: FAIL("variable %s has an unknown type", var->name);
        }
    }
}

static const char *status(const dm_show_var *var, const char *name) {
    for (; var && var->name; var++)
        if (strcmp(var->name, name) == 0) return var->value;
    FAIL("no status variable %s", name);
}

int main(int argc, char **argv) {
    if (argc < 6) FAIL("usage: fake_server LIBRARY DATADIR VERSION OPTION ALLOW_UNTESTED SCRIPT...");
    snprintf(server_version, sizeof server_version, "%s", argv[3]);
    has_dates = strstr(server_version, "-dates") != NULL;
    has_mdl = strstr(server_version, "-mdl") != NULL;
    opt_bin_log = strstr(server_version, "-binlog") != NULL;
    int major = 0, minor = 0, patch = 0;
    CHECK(sscanf(server_version, "%d.%d.%d", &major, &minor, &patch) == 3);
    int version_id = major * 10000 + minor * 100 + patch;
    library = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
    if (!library) FAIL("%s", dlerror());

    refengine_t *engine;
    if (FUNCTION(refengine_open)(argv[2], NULL, &engine, message, sizeof message) != REFENGINE_OK) FAIL("%s", message);
    refengine_session_t *session;
    CHECK(FUNCTION(refengine_session_open)(engine, &session) == REFENGINE_OK);
    for (int i = 6; i < argc; i++) run_script(session, argv[i]);
    FUNCTION(refengine_session_close)(session);
    api = FUNCTION(refengine_api)(engine);

    /* The descriptor, in the layout that this generation reads. */
    int size = *(int *)symbol(DM_SYM_SIZEOF_PLUGIN), interface = *(int *)symbol(DM_SYM_INTERFACE_VERSION);
    const char *declarations = symbol(DM_SYM_DECLARATIONS);
    dm_mysql_plugin plugin = {0};
    if (version_id < 80000) {
        CHECK(size == sizeof(dm_mysql57_plugin) && interface >> 8 == 1);
        const dm_mysql57_plugin *old = (const dm_mysql57_plugin *)declarations;
        CHECK(old[1].info == NULL && old[1].name == NULL);
        plugin = (dm_mysql_plugin){old->type, old->info, old->name, old->author, old->descr, old->license, old->init, NULL,
                                   old->deinit, old->version, old->status_vars, old->system_vars, NULL, old->flags};
    } else {
        CHECK(size == sizeof(dm_mysql_plugin) && interface >> 8 == 1);
        plugin = *(const dm_mysql_plugin *)declarations;
        CHECK(((const dm_mysql_plugin *)declarations)[1].info == NULL);
    }
    CHECK(plugin.type == DM_PLUGIN_TYPE_DAEMON && strcmp(plugin.name, DM_PLUGIN_NAME) == 0);
    CHECK(*(int *)plugin.info >> 8 == version_id);

    dm_plugin_int handle = {plugin.name, strlen(plugin.name), &plugin, library, 0, 0, NULL};
    set_variables(plugin.system_vars, argv[4], atoi(argv[5]) != 0);
    if (version_id < 50700) {
        for (int i = 0; i < 61; i++) table_56[i] = no_entry;
        handle.data = table_56;
    } else if (version_id < 80000) {
        table_57 = *api;
        table_57.col_get_meta = col_get_meta_57;
        table_57.get_cfg = get_cfg_57;
        table_57.open_table = open_table_57;
        table_57.open_index_using_name = open_index_57;
        table_57.cursor_close = cursor_close_57;
        handle.data = &table_57;
    }
    void **service = symbol("my_plugin_log_service");
    /* Twice: a second INSTALL finds what the first left. */
    for (int round = 0; round < 2; round++) {
        message[0] = '\0';
        /* A server before 8.0 refuses a library whose service has another number than it knows. */
        CHECK(version_id >= 80000 || (uintptr_t)*service == 0x0100);
        *service = &log_service;
        if (plugin.init(&handle) != 0) {
            printf("refused %s\n", message);
            break;
        }
        if (round == 1) {
            printf("listening %s\n", status(plugin.status_vars, "Daemon_memcached_listening"));
            fflush(stdout);
            /* Each line that comes asks for the numbers; the end of the input ends the server. */
            for (int c; (c = getchar()) != EOF;) {
                if (c == '\n') printf("%lu %lu\n", opened, closed);
                fflush(stdout);
            }
        }
        CHECK(plugin.deinit(&handle) == 0);
    }
    FUNCTION(refengine_close)(engine);
    return 0;
}
