/*
 * mysql_plugin_abi.h - what a DAEMON plugin and its host agree on.
 *
 * Binary layouts of the plugin descriptors of MySQL (5.7 and 8.0 and later) and MariaDB, of
 * their system and status variables, and of the prefix of the server's st_plugin_int through
 * which the InnoDB API table reaches the plugin's init().  The bundled host uses the MySQL 8
 * layout.  Everything exported under these names must be writable: servers patch it.
 */
#ifndef DAEMON_MEMCACHED_MYSQL_PLUGIN_ABI_H
#define DAEMON_MEMCACHED_MYSQL_PLUGIN_ABI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#define DM_ABI_ASSERT(cond, text) static_assert(cond, text)
#else
#define DM_ABI_ASSERT(cond, text) _Static_assert(cond, text)
#endif

/* Symbols a MySQL plugin exports. */
#define DM_SYM_INTERFACE_VERSION "_mysql_plugin_interface_version_" /* int */
#define DM_SYM_SIZEOF_PLUGIN "_mysql_sizeof_struct_st_plugin_"      /* int */
#define DM_SYM_DECLARATIONS "_mysql_plugin_declarations_"           /* array, ended by a zeroed entry */

#define DM_MYSQL_INTERFACE_VERSION 0x010B
#define DM_MARIA_INTERFACE_VERSION 0x010F
#define DM_PLUGIN_TYPE_DAEMON 3
#define DM_PLUGIN_LICENSE_GPL 1
#define DM_PLUGIN_LICENSE_BSD 2
#define DM_PLUGIN_NAME "daemon_memcached"

/* Descriptor of MySQL 8.0 and later, 112 bytes. */
typedef struct dm_mysql_plugin {
    int type;                             /* DM_PLUGIN_TYPE_DAEMON */
    void *info;                           /* -> int: MYSQL_VERSION_ID << 8 */
    const char *name, *author, *descr;
    int license;
    int (*init)(void *st_plugin_int);     /* 0 = success */
    int (*check_uninstall)(void *st_plugin_int);
    int (*deinit)(void *st_plugin_int);
    unsigned int version;                 /* 0xMMmm */
    struct dm_show_var *status_vars;      /* ended by name NULL; may be NULL */
    struct dm_sys_var **system_vars;      /* ended by NULL; may be NULL */
    void *reserved1;
    unsigned long flags;
} dm_mysql_plugin;

/* Descriptor of MySQL 5.6 and 5.7: no check_uninstall, 104 bytes. */
typedef struct dm_mysql57_plugin {
    int type;
    void *info;
    const char *name, *author, *descr;
    int license;
    int (*init)(void *st_plugin_int);
    int (*deinit)(void *st_plugin_int);
    unsigned int version;
    struct dm_show_var *status_vars;
    struct dm_sys_var **system_vars;
    void *reserved1;
    unsigned long flags;
} dm_mysql57_plugin;

/* Descriptor of MariaDB. */
typedef struct dm_maria_plugin {
    int type;
    void *info;
    const char *name, *author, *descr;
    int license;
    int (*init)(void *st_plugin_int);
    int (*deinit)(void *st_plugin_int);
    unsigned int version;
    struct dm_show_var *status_vars;
    struct dm_sys_var **system_vars;
    const char *version_info;
    unsigned int maturity;                /* 5 = stable */
} dm_maria_plugin;

/* Prefix of the server's st_plugin_int; init() gets a pointer to one.  A host that brings an
 * InnoDB API table puts its address into `data` just before it calls init(). */
typedef struct dm_plugin_int {
    const char *name_str;
    size_t name_length;
    dm_mysql_plugin *plugin;
    void *plugin_dl;
    uint32_t state;
    uint32_t ref_count;
    void *data;                           /* -> ib_cb_t, or NULL */
} dm_plugin_int;

/* Status variable.  `value` points to the datum that `type` names. */
typedef enum dm_show_type {
    DM_SHOW_LONGLONG = 4, /* int64_t */
    DM_SHOW_CHAR = 5      /* char[] */
} dm_show_type;
typedef struct dm_show_var {
    const char *name;
    char *value;
    int type;  /* dm_show_type */
    int scope; /* 1 = global; absent before MySQL 5.7 and in MariaDB */
} dm_show_var;

/* System variable: a common head, then fields that depend on the type in `flags`. */
typedef enum dm_var_flags {
    DM_VAR_BOOL = 1,  /* char */
    DM_VAR_INT = 2,   /* int */
    DM_VAR_LONG = 3,  /* long */
    DM_VAR_STR = 5,   /* char * */
    DM_VAR_TYPEMASK = 7,
    DM_VAR_UNSIGNED = 0x80,
    DM_VAR_READONLY = 0x200, /* settable at start only */
    DM_VAR_MEMALLOC = 0x8000 /* the server copies the string */
} dm_var_flags;

/* The server's st_mysql_value: what a client wants a variable to be. */
typedef struct dm_value {
    int (*value_type)(struct dm_value *value); /* 0 string, 1 real, 2 integer */
    /* `*length` is the size of `room` and becomes the length; NULL for SQL NULL. */
    const char *(*val_str)(struct dm_value *value, char *room, int *length);
    int (*val_real)(struct dm_value *value, double *out); /* these two: 1 for SQL NULL */
    int (*val_int)(struct dm_value *value, long long *out);
    int (*is_unsigned)(struct dm_value *value);
} dm_value;

/* check: `value` is the server's dm_value; NULL instead of the function means the standard check of the type. It may call the host's
 * message function and return 1: the client gets the message.
 * update: `save` points to the checked new datum, `var_ptr` to the variable. */
typedef int (*dm_var_check_fn)(void *thd, struct dm_sys_var *var, void *save, void *value);
typedef void (*dm_var_update_fn)(void *thd, struct dm_sys_var *var, void *var_ptr, const void *save);

typedef struct dm_sys_var {
    int flags;
    const char *name; /* without the plugin's name: "option" for daemon_memcached_option */
    const char *comment;
    dm_var_check_fn check;
    dm_var_update_fn update;
} dm_sys_var;
typedef struct dm_sys_var_str {
    dm_sys_var head;
    char **value;
    const char *def_val;
} dm_sys_var_str;
typedef struct dm_sys_var_bool {
    dm_sys_var head;
    char *value;
    char def_val;
} dm_sys_var_bool;
typedef struct dm_sys_var_int {
    dm_sys_var head;
    int *value;
    int def_val, min_val, max_val, blk_sz;
} dm_sys_var_int;
typedef struct dm_sys_var_uint {
    dm_sys_var head;
    unsigned int *value;
    unsigned int def_val, min_val, max_val, blk_sz;
} dm_sys_var_uint;

/*
 * Service of the bundled host.  The plugin exports a writable pointer under
 * DM_SYM_HOST_SERVICE whose initial value is DM_HOST_SERVICE_VERSION; a host that offers the
 * service replaces it by the address of its dm_host_service before each init().  Servers that do
 * not know the symbol leave it alone.  All functions may be called from any thread.
 */
#define DM_SYM_HOST_SERVICE "daemon_memcached_host_service"
#define DM_HOST_SERVICE_VERSION 0x0100
#define DM_SYNC_BUCKETS 20
typedef struct dm_host_service {
    size_t struct_size;
    void *arg; /* passed to every function */
    /* One line for the error log.  level: 1 error, 2 warning, 3 note. */
    void (*log)(void *arg, int level, const char *line);
    /* The message of a failing init() or check function, for the client that typed INSTALL PLUGIN or SET GLOBAL. */
    void (*init_error)(void *arg, const char *message);
    /* 1 once the host has begun to shut down. */
    int (*is_shutting_down)(void *arg);
    /* Called first and last on every thread of the plugin that touches tables; may be NULL. */
    int (*thread_attach)(void *arg, void **state);
    void (*thread_detach)(void *arg, void *state);
    /* Called on threads that touch tables: from here to the next call on a thread, the waits of its transactions for
     * locks shall end together, when the first of them would have to.  NULL: each wait takes its own time. */
    void (*lock_wait_restart)(void *arg);
    /* How long the syncs of the host's logs took since it started: counts[i] of them less than 2^(15 + i) ns and not less than
     * half of it (the first: anything less; the last: anything more), and nanoseconds of all together.  NULL: it does not
     * know.  A struct_size that ends before it has none. */
    void (*sync_times)(void *arg, uint64_t counts[DM_SYNC_BUCKETS], uint64_t *nanoseconds);
} dm_host_service;

/*
 * What a host that lists its clients asks of a plugin with clients of its own: functions that the library exports
 * under these names.  Both may be called from any thread between the end of init() and the beginning of deinit(), and
 * wait for nobody's work.
 */
#define DM_SYM_CONNECTIONS "daemon_memcached_connections"
#define DM_SYM_KILL "daemon_memcached_kill"
typedef struct dm_connection {
    uint64_t id;          /* from 1, given once while the daemon runs */
    const char *user;     /* who logged in; NULL where nobody has to, or nobody has yet */
    const char *address;  /* "127.0.0.1:40000", "[::1]:40000", "localhost" for a UNIX socket */
    const char *database; /* of the container that it is bound to; NULL if there is none */
    uint64_t silent;      /* seconds since the client was heard */
    const char *state;    /* a few words, or "" */
} dm_connection;
/* Pointers are borrowed for the call, which must not call the plugin. */
typedef void (*dm_connection_fn)(void *arg, const dm_connection *connection);
typedef void (*dm_connections_fn)(dm_connection_fn tell, void *arg);
/* 1: the connection ends once its running requests have; 0: there is none of that number. */
typedef int (*dm_kill_fn)(uint64_t id);

DM_ABI_ASSERT(sizeof(dm_mysql_plugin) == 112, "MySQL 8 descriptor");
DM_ABI_ASSERT(sizeof(dm_mysql57_plugin) == 104, "MySQL 5.7 descriptor");
DM_ABI_ASSERT(offsetof(dm_plugin_int, data) == 40, "the table arrives at offset 40");
DM_ABI_ASSERT(sizeof(dm_show_var) == 24, "status variable");
DM_ABI_ASSERT(sizeof(dm_sys_var) == 40, "system variable head");

/* ---- loadable functions ---- */

/* What `CREATE FUNCTION name RETURNS type SONAME 'library'` finds in a library: `name_init` is called before the rows of a
 * statement (true refuses it, with a message of at most DM_UDF_MESSAGE bytes), `name` for each row, `name_deinit` behind them.
 * The layouts are those of MySQL 8.0 and later and of MariaDB. */
#define DM_UDF_MESSAGE 512
#define DM_UDF_STRING 0
#define DM_UDF_REAL 1
#define DM_UDF_INTEGER 2
#define DM_UDF_DECIMAL 4 /* given as its digits */

/* `UDF_ARGS`. */
typedef struct dm_udf_args {
    unsigned int arg_count;
    int *arg_type;          /* DM_UDF_*; `name_init` may change them */
    char **args;            /* NULL for SQL NULL, and in `name_init` for what is no constant */
    unsigned long *lengths;
    char *maybe_null;
    char **attributes;      /* the arguments as they were written */
    unsigned long *attribute_lengths;
    void *extension;
} dm_udf_args;

/* `UDF_INIT`. */
typedef struct dm_udf_init {
    bool maybe_null;
    unsigned int decimals;
    unsigned long max_length;
    char *ptr;              /* the function's own */
    bool const_item;
    void *extension;
} dm_udf_init;

#ifdef __cplusplus
}
#endif
#endif
