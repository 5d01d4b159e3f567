/*
 * fake_mysql.c - a host that looks like MySQL 5.7 or 8.0 to the plugin.
 *
 * Compiled with VERSION ("5.7.44", "8.0.36") and ENTRIES (50, 48 or 54).  It exports server_version, loads
 * the default library, whose engine stands in for InnoDB, hands the engine's table over in the layout, signatures, booleans and
 * codes of that server through st_plugin_int.data, and talks to the daemon over a socket.
 *
 *   fake_mysql LIBRARY DATADIR SQL-SCRIPT...
 */
#include "innodb_api.h"
#include "mysql_plugin_abi.h"
#include "refengine.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* What the plugin looks for in the process, as a server exports it. */
__attribute__((visibility("default"))) char server_version[] = VERSION;

static void die(const char *what, const char *why) {
    fprintf(stderr, "fake_mysql " VERSION " (%d): %s: %s\n", ENTRIES, what, why);
    exit(1);
}

static const ib_cb_t *ib; /* the engine's table */

#if ENTRIES != 50
/* ---- the functions of 8.0 over the engine's ---- */

/* 5.7's numbers to 8.0's. */
static int code80(ib_err_t code) {
    switch (code) {
        case IB_OUT_OF_FILE_SPACE: return 15;
        case IB_LOCK_WAIT: return 16;
        case IB_DEADLOCK: return 17;
        case IB_ROLLBACK: return 18;
        case IB_DUPLICATE_KEY: return 19;
        case IB_END_OF_INDEX: return 1502;
        case IB_NOT_FOUND: return 1503;
        default: return (int)code;
    }
}

static ib_err_t code57(int code) {
    static const ib_err_t some[] = {IB_OUT_OF_FILE_SPACE, IB_LOCK_WAIT,    IB_DEADLOCK, IB_ROLLBACK,
                                    IB_DUPLICATE_KEY,     IB_END_OF_INDEX, IB_NOT_FOUND};
    for (size_t i = 0; i < sizeof some / sizeof *some; i++)
        if (code80(some[i]) == code) return some[i];
    return (ib_err_t)code;
}

#define PASS1(name, T) static int name##80(T a) { return code80(ib->name(a)); }
#define PASS2(name, T, U) static int name##80(T a, U b) { return code80(ib->name(a, b)); }
#define PASS3(name, T, U, V) static int name##80(T a, U b, V c) { return code80(ib->name(a, b, c)); }
PASS3(open_table, const char *, ib_trx_t, ib_crsr_t *)
PASS2(insert_row, ib_crsr_t, ib_tpl_t)
PASS1(delete_row, ib_crsr_t)
PASS3(update_row, ib_crsr_t, ib_tpl_t, ib_tpl_t)
PASS1(cursor_first, ib_crsr_t)
PASS1(cursor_next, ib_crsr_t)
PASS3(tuple_read_u8, ib_tpl_t, ib_ulint_t, uint8_t *)
PASS3(tuple_read_u16, ib_tpl_t, ib_ulint_t, uint16_t *)
PASS3(tuple_read_u32, ib_tpl_t, ib_ulint_t, uint32_t *)
PASS3(tuple_read_u64, ib_tpl_t, ib_ulint_t, uint64_t *)
PASS3(tuple_read_i8, ib_tpl_t, ib_ulint_t, int8_t *)
PASS3(tuple_read_i16, ib_tpl_t, ib_ulint_t, int16_t *)
PASS3(tuple_read_i32, ib_tpl_t, ib_ulint_t, int32_t *)
PASS3(tuple_read_i64, ib_tpl_t, ib_ulint_t, int64_t *)
PASS1(trx_commit, ib_trx_t)
PASS1(trx_rollback, ib_trx_t)
PASS1(trx_release, ib_trx_t)
PASS2(cursor_lock, ib_crsr_t, ib_lck_mode_t)
PASS1(cursor_close, ib_crsr_t)
PASS2(cursor_new_trx, ib_crsr_t, ib_trx_t)
PASS1(cursor_reset, ib_crsr_t)
PASS2(commit_trx, ib_crsr_t, ib_trx_t)
PASS2(set_lock_mode, ib_crsr_t, ib_lck_mode_t)

static int read_row80(ib_crsr_t crsr, ib_tpl_t tpl, ib_tpl_t cmp, int mode, void **buf, uint64_t *slot, uint64_t *used) {
    if (cmp || mode || buf || slot || used) die("read_row", "unexpected arguments");
    void *buffer = NULL;
    ib_ulint_t length = 0;
    return code80(ib->read_row(crsr, tpl, &buffer, &length));
}
static int moveto80(ib_crsr_t crsr, ib_tpl_t tpl, ib_srch_mode_t mode, uint64_t direction) {
    if (direction) die("moveto", "unexpected direction");
    return code80(ib->moveto(crsr, tpl, mode));
}
static int col_set_value80(ib_tpl_t tpl, ib_ulint_t col, const void *src, ib_ulint_t len, bool copy) {
    return code80(ib->col_set_value(tpl, col, src, len, copy));
}
static ib_trx_t trx_begin80(ib_trx_level_t level, bool rw, bool autocommit, void *thd) {
    if (thd) die("trx_begin", "a THD out of nowhere");
    return ib->trx_begin(level, rw, autocommit);
}
static int trx_start80(ib_trx_t trx, ib_trx_level_t level, bool rw, bool autocommit, void *thd) {
    return code80(ib->trx_start(trx, level, rw, autocommit, thd));
}
static int open_index80(ib_crsr_t crsr, const char *index, ib_crsr_t *out, int *type, ib_id_u64_t *id) {
    return code80(ib->open_index_using_name(crsr, index, out, type, id));
}
static void cursor_stmt_begin80(ib_crsr_t crsr) { ib->cursor_stmt_begin(crsr); }
static bool is_virtual_table80(ib_crsr_t crsr) { return ib->is_virtual_table(crsr) != 0; }
static const char *ut_strerr80(int code) { return ib->ut_strerr(code57(code)); }
static void sdi80(void) { die("an SDI entry", "called"); }

/* The name under which 8.0 exports it: the plugin finds the table's layout by it. */
__attribute__((visibility("default"))) uint32_t _Z16ib_trx_read_onlyP5trx_t(ib_trx_t trx) {
    return ib->trx_read_only(trx);
}

typedef void (*entry)(void);
static entry table80[ENTRIES];

static const void *make_table(void) {
    entry *at = table80;
#define PUT(function) *at++ = (entry)(function)
    PUT(open_table80), PUT(read_row80), PUT(insert_row80), PUT(delete_row80), PUT(update_row80), PUT(moveto80);
    PUT(cursor_first80), PUT(cursor_next80), PUT(ib->set_match_mode), PUT(ib->sec_search_tuple_create);
    PUT(ib->clust_read_tuple_create), PUT(ib->tuple_delete), PUT(tuple_read_u880), PUT(tuple_read_u1680);
    PUT(tuple_read_u3280), PUT(tuple_read_u6480), PUT(tuple_read_i880), PUT(tuple_read_i1680), PUT(tuple_read_i3280);
    PUT(tuple_read_i6480), PUT(ib->tuple_get_n_cols), PUT(col_set_value80), PUT(ib->col_get_value);
    PUT(ib->col_get_meta), PUT(trx_begin80), PUT(trx_commit80), PUT(trx_rollback80), PUT(trx_start80);
    PUT(trx_release80), PUT(cursor_lock80), PUT(cursor_close80), PUT(cursor_new_trx80), PUT(cursor_reset80);
    PUT(ib->col_get_name);
    /* 34, table_truncate, is gone */
    PUT(open_index80), PUT(ib->get_cfg);
    /* 37, set_memcached_sync, is gone */
    PUT(ib->set_cluster_access), PUT(commit_trx80), PUT(ib->cfg_trx_level), PUT(ib->tuple_get_n_user_cols);
    PUT(set_lock_mode80), PUT(ib->get_idx_field_name), PUT(ib->trx_get_start_time), PUT(ib->bk_commit_interval);
    PUT(ut_strerr80), PUT(cursor_stmt_begin80);
    for (int sdi = 48; sdi < ENTRIES; sdi++) PUT(sdi80);
    PUT(_Z16ib_trx_read_onlyP5trx_t), PUT(is_virtual_table80);
    if (at != table80 + ENTRIES) die("the table", "has another length");
    return table80;
}
#else
static const void *make_table(void) { return ib; }
#endif

/* ---- the server's side of a plugin ---- */

static void *library;

static void *symbol(const char *name) {
    void *address = dlsym(library, name);
    if (!address) die(name, "not exported");
    return address;
}

static void set_variables(dm_sys_var **vars) {
    for (; *vars; vars++) {
        dm_sys_var *head = *vars;
        if ((head->flags & DM_VAR_TYPEMASK) == DM_VAR_STR) {
            dm_sys_var_str *var = (dm_sys_var_str *)head;
            *var->value = strcmp(head->name, "option") == 0 ? strdup("-p 0 -t 2") : NULL;
        } else if ((head->flags & DM_VAR_TYPEMASK) == DM_VAR_BOOL) {
            dm_sys_var_bool *var = (dm_sys_var_bool *)head;
            *var->value = strcmp(head->name, "allow_untested_server") == 0 ? 1 : var->def_val;
        } else {
            dm_sys_var_uint *var = (dm_sys_var_uint *)head;
            *var->value = var->def_val;
        }
    }
}

static const char *status(dm_show_var *vars, size_t stride, const char *name) {
    for (char *at = (char *)vars; ((dm_show_var *)at)->name; at += stride)
        if (strcmp(((dm_show_var *)at)->name, name) == 0) return ((dm_show_var *)at)->value;
    die(name, "no such status variable");
    return NULL;
}

static void talk(int port, const char *request, const char *expected) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address)) die("connect", "failed");
    if (write(fd, request, strlen(request)) != (ssize_t)strlen(request)) die("write", "failed");
    char reply[4096] = "";
    size_t length = 0;
    for (ssize_t n; (n = read(fd, reply + length, sizeof reply - 1 - length)) > 0;) length += (size_t)n;
    close(fd);
    if (strcmp(reply, expected) != 0) die("wrong reply", reply);
}

static char *read_file(const char *path) {
    FILE *file = fopen(path, "r");
    static char text[1 << 16];
    if (!file) die(path, "cannot be read");
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    return text;
}

int main(int argc, char **argv) {
    if (argc < 4) die("usage", "LIBRARY DATADIR SQL-SCRIPT...");
    library = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
    if (!library) die("dlopen", dlerror());

    char err[512] = "";
    refengine_t *engine = NULL;
    refengine_session_t *session = NULL;
    __typeof__(refengine_open) *engine_open = symbol("refengine_open");
    __typeof__(refengine_session_open) *session_open = symbol("refengine_session_open");
    __typeof__(refengine_session_close) *session_close = symbol("refengine_session_close");
    __typeof__(refengine_execute) *execute = symbol("refengine_execute");
    __typeof__(refengine_last_error) *last_error = symbol("refengine_last_error");
    __typeof__(refengine_api) *api = symbol("refengine_api");
    __typeof__(refengine_close) *engine_close = symbol("refengine_close");
    if (engine_open(argv[2], NULL, &engine, err, sizeof err) || session_open(engine, &session)) die("engine", err);
    for (int i = 3; i < argc; i++) {
        const char *sql = read_file(argv[i]);
        if (execute(session, sql, strlen(sql), NULL, NULL)) die(argv[i], last_error(session));
    }
    ib = api(engine);

    /* The descriptor as this server reads it. */
    const bool old = strncmp(VERSION, "5.", 2) == 0;
    const int major = atoi(VERSION), minor = atoi(VERSION + 2), patch = atoi(VERSION + 4);
    const int size = *(int *)symbol(DM_SYM_SIZEOF_PLUGIN);
    const int interface = *(int *)symbol(DM_SYM_INTERFACE_VERSION);
    if (size != (int)(old ? sizeof(dm_mysql57_plugin) : sizeof(dm_mysql_plugin))) die("descriptor", "wrong size");
    if (old ? interface > 0x01FF : interface != DM_MYSQL_INTERFACE_VERSION) die("descriptor", "wrong interface");
    char *declared = symbol(DM_SYM_DECLARATIONS);
    dm_mysql57_plugin *p57 = (dm_mysql57_plugin *)declared;
    dm_mysql_plugin *p80 = (dm_mysql_plugin *)declared;
    int *info = old ? p57->info : p80->info;
    if (*info >> 8 != major * 10000 + minor * 100 + patch) die("descriptor", "wrong server version");
    const char *after = ((dm_mysql_plugin *)(declared + size))->name;
    if (after) die("descriptor", "does not end behind the first");
    int (*init)(void *) = old ? p57->init : p80->init;
    int (*deinit)(void *) = old ? p57->deinit : p80->deinit;
    dm_show_var *shown = old ? p57->status_vars : p80->status_vars;
    set_variables(old ? p57->system_vars : p80->system_vars);

    dm_plugin_int handle = {.name_str = DM_PLUGIN_NAME, .name_length = strlen(DM_PLUGIN_NAME), .plugin_dl = library};
    handle.data = (void *)(uintptr_t)make_table();
    for (int round = 0; round < 3; round++) {
        if (init(&handle) != 0) die("init", "refused");
        const char *listening = status(shown, sizeof *shown, "Daemon_memcached_listening");
        int port = atoi(strchr(listening, ':') + 1);
        talk(port,
             "set k 5 0 2\r\n41\r\nincr k 1\r\nadd k 0 0 1\r\nx\r\nappend k 0 0 1\r\n!\r\nget k none\r\n"
             "set n 0 -1 1\r\nx\r\nget n\r\nget @@aaa.AA\r\nget @@default.k\r\nget @>=a 1\r\ndelete k\r\ndelete k\r\nquit\r\n",
             "STORED\r\n42\r\nNOT_STORED\r\nSTORED\r\nVALUE k 5 3\r\n42!\r\nEND\r\nSTORED\r\nEND\r\n"
             "VALUE @@aaa.AA 8 12\r\nHELLO, HELLO\r\nEND\r\nVALUE @@default.k 5 3\r\n42!\r\nEND\r\n"
             "VALUE k 5 3\r\n42!\r\nEND\r\nDELETED\r\nNOT_FOUND\r\n");
        if (deinit(&handle) != 0) die("deinit", "failed");
    }
    session_close(session);
    engine_close(engine);
    puts("ok");
    return 0;
}
