/*
 * fake_server.c - what a MySQL server of an older generation does with the plugin.
 *
 * fake_server LIBRARY DATADIR VERSION OPTION ALLOW_UNTESTED SCRIPT...
 *
 * Opens the bundled engine of LIBRARY, runs the SQL scripts, then loads the plugin of the same library the way mysqld of
 * VERSION does: it exports that server_version, reads the descriptor in the layout of its generation, checks
 * versions, hands the InnoDB API table over in its generation's layout and calls init().  VERSION 8.x-sdi stands for the
 * builds whose table has six more entries.  Prints "listening ADDRESSES" or "refused MESSAGE", serves until standard
 * input ends, calls deinit().
 */
#include <dlfcn.h>
#include <stdarg.h>
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

/* ---- the table of 8.0: its numbers of codes, its booleans, its signatures ---- */

static int native(ib_err_t code) {
    switch ((int)code) {
    case IB_LOCK_WAIT: return 16;
    case IB_DEADLOCK: return 17;
    case IB_ROLLBACK: return 18;
    case IB_DUPLICATE_KEY: return 19;
    case IB_END_OF_INDEX: return 1502;
    case IB_NOT_FOUND: return 1503;
    default: return (int)code;
    }
}
static const char *strerr_80(int code) {
    static const struct { int native, canonical; } map[] = {
        {16, IB_LOCK_WAIT}, {17, IB_DEADLOCK}, {18, IB_ROLLBACK}, {19, IB_DUPLICATE_KEY}, {1502, IB_END_OF_INDEX}, {1503, IB_NOT_FOUND}};
    for (size_t i = 0; i < sizeof map / sizeof *map; i++)
        if (map[i].native == code) return api->ut_strerr(map[i].canonical);
    return api->ut_strerr((ib_err_t)code);
}
static int read_row_80(ib_crsr_t crsr, ib_tpl_t row, ib_tpl_t key, int mode, void **buffer, uint64_t *slot, uint64_t *used) {
    void *none = NULL;
    ib_ulint_t length = 0;
    CHECK(!key && mode == 0 && !buffer && !slot && !used);
    return native(api->read_row(crsr, row, &none, &length));
}
static int moveto_80(ib_crsr_t crsr, ib_tpl_t key, ib_srch_mode_t mode, uint64_t direction) {
    CHECK(direction == 0);
    return native(api->moveto(crsr, key, mode));
}
static ib_trx_t trx_begin_80(ib_trx_level_t level, bool rw, bool auto_commit, void *thd) {
    CHECK(!thd);
    return api->trx_begin(level, rw, auto_commit);
}
static int trx_start_80(ib_trx_t trx, ib_trx_level_t level, bool rw, bool auto_commit, void *thd) {
    CHECK(!thd);
    return native(api->trx_start(trx, level, rw, auto_commit, NULL));
}
static int col_set_80(ib_tpl_t tpl, ib_ulint_t col, const void *data, ib_ulint_t len, bool copy) {
    return native(api->col_set_value(tpl, col, data, len, copy));
}
static void stmt_begin_80(ib_crsr_t crsr) { api->cursor_stmt_begin(crsr); }
static bool is_virtual_80(ib_crsr_t crsr) { return api->is_virtual_table(crsr) != 0; }

/* The same arguments, another number of the code. */
#define TRANSLATED_1(name, A) static int name##_80(A a) { return native(api->name(a)); }
#define TRANSLATED_2(name, A, B) static int name##_80(A a, B b) { return native(api->name(a, b)); }
#define TRANSLATED_3(name, A, B, C) static int name##_80(A a, B b, C c) { return native(api->name(a, b, c)); }
TRANSLATED_3(open_table, const char *, ib_trx_t, ib_crsr_t *)
TRANSLATED_2(insert_row, ib_crsr_t, ib_tpl_t)
TRANSLATED_1(delete_row, ib_crsr_t)
TRANSLATED_3(update_row, ib_crsr_t, ib_tpl_t, ib_tpl_t)
TRANSLATED_1(cursor_first, ib_crsr_t)
TRANSLATED_1(cursor_next, ib_crsr_t)
TRANSLATED_1(trx_commit, ib_trx_t)
TRANSLATED_1(trx_rollback, ib_trx_t)
TRANSLATED_1(trx_release, ib_trx_t)
TRANSLATED_2(cursor_lock, ib_crsr_t, ib_lck_mode_t)
TRANSLATED_1(cursor_close, ib_crsr_t)
TRANSLATED_2(cursor_new_trx, ib_crsr_t, ib_trx_t)
TRANSLATED_1(cursor_reset, ib_crsr_t)
TRANSLATED_2(commit_trx, ib_crsr_t, ib_trx_t)
TRANSLATED_2(set_lock_mode, ib_crsr_t, ib_lck_mode_t)
static int open_index_80(ib_crsr_t crsr, const char *name, ib_crsr_t *out, int *kind, ib_id_u64_t *id) {
    return native(api->open_index_using_name(crsr, name, out, kind, id));
}

/* Exported by every server of 8.0: the plugin recognises the layout by it. */
uint32_t _Z16ib_trx_read_onlyP5trx_t(ib_trx_t trx);
uint32_t _Z16ib_trx_read_onlyP5trx_t(ib_trx_t trx) { return api->trx_read_only(trx); }

static void no_entry(void) { FAIL("an entry was called that the plugin has no use for"); }

typedef void (*entry)(void);
static entry table_80[54];

static void fill_table_80(bool sdi) {
    entry *t = table_80;
#define PUT(function) *t++ = (entry)(function)
    PUT(open_table_80), PUT(read_row_80), PUT(insert_row_80), PUT(delete_row_80), PUT(update_row_80), PUT(moveto_80);
    PUT(cursor_first_80), PUT(cursor_next_80), PUT(api->set_match_mode), PUT(api->sec_search_tuple_create);
    PUT(api->clust_read_tuple_create), PUT(api->tuple_delete);
    PUT(api->tuple_read_u8), PUT(api->tuple_read_u16), PUT(api->tuple_read_u32), PUT(api->tuple_read_u64);
    PUT(api->tuple_read_i8), PUT(api->tuple_read_i16), PUT(api->tuple_read_i32), PUT(api->tuple_read_i64);
    PUT(api->tuple_get_n_cols), PUT(col_set_80), PUT(api->col_get_value), PUT(api->col_get_meta);
    PUT(trx_begin_80), PUT(trx_commit_80), PUT(trx_rollback_80), PUT(trx_start_80), PUT(trx_release_80);
    PUT(cursor_lock_80), PUT(cursor_close_80), PUT(cursor_new_trx_80), PUT(cursor_reset_80), PUT(api->col_get_name);
    PUT(open_index_80), PUT(api->get_cfg), PUT(api->set_cluster_access), PUT(commit_trx_80), PUT(api->cfg_trx_level);
    PUT(api->tuple_get_n_user_cols), PUT(set_lock_mode_80), PUT(api->get_idx_field_name), PUT(api->trx_get_start_time);
    PUT(api->bk_commit_interval), PUT(strerr_80), PUT(stmt_begin_80);
    for (int i = 0; sdi && i < 6; i++) PUT(no_entry);
    PUT(_Z16ib_trx_read_onlyP5trx_t), PUT(is_virtual_80);
    CHECK(t - table_80 == (sdi ? 54 : 48));
}

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
            *v->value = strcmp(var->name, "allow_untested_server") == 0 ? allow_untested : v->def_val;
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
    if (version_id < 80000) {
        handle.data = (void *)(uintptr_t)api;
    } else if (version_id < 80300) {
        fill_table_80(strstr(server_version, "-sdi") != NULL);
        handle.data = table_80;
    }
    /* Twice: a second INSTALL finds what the first left. */
    for (int round = 0; round < 2; round++) {
        message[0] = '\0';
        if (plugin.init(&handle) != 0) {
            printf("refused %s\n", message);
            break;
        }
        if (round == 1) {
            printf("listening %s\n", status(plugin.status_vars, "Daemon_memcached_listening"));
            fflush(stdout);
            while (getchar() != EOF) {}
        }
        CHECK(plugin.deinit(&handle) == 0);
    }
    FUNCTION(refengine_close)(engine);
    return 0;
}
