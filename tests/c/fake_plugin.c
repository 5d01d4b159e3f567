/*
 * fake_plugin.c - plugins that test their host.
 *
 * The library declares `daemon_memcached` with a variable of each kind, a `fake_parser` that is no
 * DAEMON plugin and `fake_strange` with a variable of an unknown type.  What init() does is chosen by the variable `mode`:
 * "fail" fails with a message, "silent" without one, "slow" waits until the host shuts down.  "busy"
 * refuses UNINSTALL, "bad end" makes deinit() report a failure.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "innodb_api.h"
#include "mysql_plugin_abi.h"

int _mysql_plugin_interface_version_ = DM_MYSQL_INTERFACE_VERSION;
int _mysql_sizeof_struct_st_plugin_ = sizeof(dm_mysql_plugin);
void *daemon_memcached_host_service = (void *)(intptr_t)DM_HOST_SERVICE_VERSION;

static char flag, fixed_flag;
static int number;
static unsigned int natural, blocks;
static char *mode, *nothing, *words, *kept;
static char kept_room[64];
static int64_t starts, started_with_table;
static char listening[64], number_seen[64], mask_seen[32];

static dm_host_service *service(void) { return daemon_memcached_host_service; }

static void say(const char *line) { service()->log(service()->arg, 3, line); }

/* A check of its own: even numbers and the word "six". */
static int check_natural(void *thd, dm_sys_var *var, void *save, void *value) {
    struct value {
        int (*value_type)(void *);
        const char *(*val_str)(void *, char *, int *);
        int (*val_real)(void *, double *);
        int (*val_int)(void *, long long *);
        int (*is_unsigned)(void *);
    } *v = value;
    (void)thd, (void)var;
    if (v->value_type(value) == 0) {
        char room[8];
        int length = sizeof room;
        const char *text = v->val_str(value, room, &length);
        if (!text || length != 3 || memcmp(text, "six", 3) != 0) return 1;
        *(unsigned int *)save = 6;
        return 0;
    }
    long long n;
    double real;
    if (v->val_int(value, &n) || v->val_real(value, &real) || (double)n != real) return 1;
    if (n % 2 || n < 0 || !v->is_unsigned(value)) return 1;
    *(unsigned int *)save = (unsigned int)n;
    return 0;
}

static void update_number(void *thd, dm_sys_var *var, void *target, const void *save) {
    (void)thd, (void)var;
    *(int *)target = *(const int *)save;
    snprintf(number_seen, sizeof number_seen, "number is now %d", *(const int *)save);
}

/* Copies the text instead of keeping the pointer. */
static void update_kept(void *thd, dm_sys_var *var, void *target, const void *save) {
    (void)thd, (void)var;
    snprintf(kept_room, sizeof kept_room, "<%s>", *(char *const *)save);
    *(char **)target = kept_room;
}

static dm_sys_var_bool v_flag = {{DM_VAR_BOOL, "flag", "", NULL, NULL}, &flag, 0};
static dm_sys_var_bool v_fixed = {{DM_VAR_BOOL | DM_VAR_READONLY, "fixed_flag", "", NULL, NULL}, &fixed_flag, 1};
static dm_sys_var_int v_number = {{DM_VAR_INT, "number", "", NULL, update_number}, &number, -3, -10, 100, 0};
static dm_sys_var_uint v_natural = {
    {DM_VAR_INT | DM_VAR_UNSIGNED, "natural", "", check_natural, NULL}, &natural, 4, 0, 4294967294u, 0};
static dm_sys_var_uint v_blocks = {{DM_VAR_INT | DM_VAR_UNSIGNED, "blocks", "", NULL, NULL}, &blocks, 1024, 512, 1u << 30, 512};
static dm_sys_var_str v_mode = {{DM_VAR_STR | DM_VAR_MEMALLOC, "mode", "", NULL, NULL}, &mode, ""};
static dm_sys_var_str v_nothing = {{DM_VAR_STR | DM_VAR_MEMALLOC, "nothing", "", NULL, NULL}, &nothing, NULL};
static dm_sys_var_str v_words = {{DM_VAR_STR | DM_VAR_MEMALLOC, "words", "", NULL, NULL}, &words, "a default"};
static dm_sys_var_str v_kept = {{DM_VAR_STR | DM_VAR_MEMALLOC, "kept", "", NULL, update_kept}, &kept, "k"};
static dm_sys_var *variables[] = {&v_flag.head,   &v_fixed.head, &v_number.head, &v_natural.head, &v_blocks.head,
                                  &v_mode.head,   &v_nothing.head,  &v_words.head,  &v_kept.head,    NULL};

static dm_show_var status[] = {
    {"Fake_starts", (char *)&starts, DM_SHOW_LONGLONG, 1},
    {"Fake_has_table", (char *)&started_with_table, DM_SHOW_LONGLONG, 1},
    {"Fake_number_seen", number_seen, DM_SHOW_CHAR, 1},
    {"Fake_blocked_signals", mask_seen, DM_SHOW_CHAR, 1},
    {"Daemon_memcached_listening", listening, DM_SHOW_CHAR, 1},
    {NULL, NULL, 0, 0},
};

static void wait_for_shutdown(void) {
    say("init waits for the shutdown");
    while (!service()->is_shutting_down(service()->arg)) {
        struct timespec pause = {0, 2000000};
        nanosleep(&pause, NULL);
    }
}

static int init(void *p) {
    dm_plugin_int *self = p;
    sigset_t mask;
    const ib_cb_t *table = self->data;
    started_with_table = table && table->ut_strerr(IB_SUCCESS) && strcmp(self->name_str, "daemon_memcached") == 0 &&
                         self->name_length == 16 && self->plugin_dl;
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    snprintf(mask_seen, sizeof mask_seen, "TERM %d INT %d PIPE %d", sigismember(&mask, SIGTERM),
             sigismember(&mask, SIGINT), sigismember(&mask, SIGPIPE));
    if (strcmp(mode, "fail") == 0) {
        service()->init_error(service()->arg, "the fake plugin was told to fail");
        return 1;
    }
    if (strcmp(mode, "silent") == 0) return 1;
    if (strcmp(mode, "slow") == 0) wait_for_shutdown();
    starts++;
    snprintf(listening, sizeof listening, "[::]:4711, 127.0.0.1:4712");
    say("started\non two lines");
    return 0;
}

static int check_uninstall(void *p) {
    (void)p;
    return strcmp(mode, "busy") == 0;
}

static int deinit(void *p) {
    (void)p;
    say("stopped");
    listening[0] = '\0';
    return strcmp(mode, "bad end") == 0;
}

static dm_sys_var strange = {DM_VAR_LONG, "strange", "", NULL, NULL};
static dm_sys_var *strange_variables[] = {&strange, NULL};

dm_mysql_plugin _mysql_plugin_declarations_[] = {
    {.type = 1, .name = "fake_parser", .license = 2},
    {.type = DM_PLUGIN_TYPE_DAEMON, .name = "fake_strange", .system_vars = strange_variables},
    {.type = DM_PLUGIN_TYPE_DAEMON, .name = "fake_empty", .license = 2},
    {
        .type = DM_PLUGIN_TYPE_DAEMON,
        .name = "daemon_memcached",
        .license = DM_PLUGIN_LICENSE_GPL,
        .init = init,
        .check_uninstall = check_uninstall,
        .deinit = deinit,
        .status_vars = status,
        .system_vars = variables,
    },
    {.type = 0},
};
