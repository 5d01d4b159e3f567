/*
 * host.h - memcached-host: a small server around the bundled engine.
 *
 * The program opens the engine (refengine.h), loads DAEMON plugins by dlopen the way MySQL does
 * (mysql_plugin_abi.h) and offers SQL on its standard input and to MySQL clients (sqlserver.h).
 *
 *   host_main.c   main: start, wait for a signal, stop
 *   options.c     the command line and the options file
 *   passwd.c      the subcommand that makes lines for a users file
 *   offline.c     subcommands on a data directory without a server; check
 *   dump.c load.c records.c   rows as CSV or JSON
 *   service.c     systemd's notifications, --ping
 *   plugins.c     INSTALL and UNINSTALL PLUGIN, the list of loaded plugins
 *   variables.c   system variables of plugins: defaults, ranges, SET GLOBAL
 *   statements.c  the engine's callback: statements that belong to the host
 *   functions.c   what functions of libraries (CREATE FUNCTION) look for in the program
 *   console.c     standard input, results as `mysql` prints them
 *   edit.c        line editing and history on a terminal
 *   util.c        errors, memory, the error log
 *
 * Threads: the main thread starts, waits for SIGHUP, SIGTERM or SIGINT and stops; the console thread and those of
 * the SQL end run statements.  Plugins bring threads of their own, which call only the functions of
 * dm_host_service.  Every thread has SIGHUP, SIGTERM and SIGINT blocked.
 *
 * Locks: `operation` is held over a whole INSTALL, UNINSTALL or SET GLOBAL, which may take
 * seconds; `registry` is held only to read or change the list of plugins and their variables, so
 * SHOW never waits for an INSTALL.  Order: operation, then registry.
 */
#ifndef MEMCACHED_HOST_H
#define MEMCACHED_HOST_H

#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

#include "mysql_plugin_abi.h"
#include "refengine.h"
#include "sqlserver.h"

#ifndef HOST_VERSION
#define HOST_VERSION "unknown"
#endif
#define HOST_NAME "memcached-host"

/* Made by build.rs from sql/. */
extern const char host_config_sql[], host_container_sql[];

/* ---- util.c ---- */

/* Bytes of what a plugin says to a client, NUL included; longer messages are cut. */
#define PLUGIN_MESSAGE_SIZE 960

/* What a failed function tells: MySQL's error number and SQLSTATE, a sentence. */
typedef struct host_error {
    unsigned int number; /* 0 if the failure has no statement to answer */
    char sqlstate[6];
    char message[1024];
} host_error;

/* Fills *err (which may be NULL) and returns false, for `return fail(...)`. */
bool fail(host_error *err, unsigned int number, const char *sqlstate, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Prints a message on standard error, the program's name in front; false, for `return print_error(...)`. */
bool print_error(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* These end the program with a message when memory runs out. */
void *must_alloc(size_t size); /* zeroed */
char *must_copy(const char *text);
char *must_format(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Bytes that grow; `data` is NUL-terminated once something was added. */
typedef struct buffer {
    char *data;
    size_t length, capacity;
} buffer;
void buffer_add(buffer *b, const char *bytes, size_t length);
void buffer_add_text(buffer *b, const char *text);
/* Removes the first `length` bytes. */
void buffer_consume(buffer *b, size_t length);
void buffer_free(buffer *b);

typedef enum log_level { LOG_ERROR = 1, LOG_WARNING = 2, LOG_NOTE = 3 } log_level;
/* From now on the log goes to the end of this file, made if missing; again with the same name after
 * a rotation.  False: errno says why, and the log stays where it is. */
bool log_open(const char *path);
/* One line for the error log, in MySQL's form, with one write(2). */
void log_line(log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The text of a file, or NULL with errno set. */
char *read_file(const char *path, size_t *length);

/* ---- options.c ---- */

/* A system variable given on the command line. */
typedef struct option_value {
    struct option_value *next;
    char *name;  /* with '_', lower case */
    char *value; /* NULL: given without one */
    bool is_default; /* the host's own default: no error if the plugin does not declare it */
} option_value;

typedef struct host_options {
    char *datadir, *plugin_dir;
    char *wait_for_datadir; /* seconds, decimal */
    char *init_file; /* NULL: none */
    char *execute;   /* NULL: serve */
    bool no_defaults_sql;
    /* The SQL end. */
    char *bind_address, *port; /* port: digits */
    char *socket;              /* NULL: memcached-host.sock in the data directory */
    bool skip_networking;      /* no TCP */
    char *ssl_cert, *ssl_key;  /* NULL: no TLS */
    char *pid_file;            /* NULL: none */
    char *log_error;           /* NULL: standard error */
    bool keep_running;         /* also without a plugin that cannot be loaded */
    buffer engine;             /* for refengine_open() */
    option_value *plugin_vars; /* for the plugins */
} host_options;

typedef enum options_result { OPTIONS_RUN, OPTIONS_EXIT, OPTIONS_BAD } options_result;
/* Reads the command line.  OPTIONS_EXIT: --help or --version was answered.  OPTIONS_BAD: a sentence
 * went to standard error. */
options_result options_parse(host_options *options, int argc, char **argv);
void options_free(host_options *options);

/* ---- service.c ---- */

/* Tells the supervisor that NOTIFY_SOCKET names, if there is one: "READY=1" and its like. */
void service_notify(const char *state);
/* The same, for the start of a reload; "READY=1" ends it. */
void service_reloading(void);
/* How often the supervisor wants "WATCHDOG=1"; false: not at all. */
bool service_watchdog(struct timespec *interval);
/* Whether a server of memcached's protocol answers at HOST:PORT or /PATH, within seconds; a sentence says why not. */
bool ping(const char *address);

/* ---- passwd.c ---- */

/* The subcommand with the arguments behind its name.  False: a message was printed. */
bool passwd(int argc, char **argv);

/* ---- offline.c, dump.c, load.c ---- */

/* The subcommands with the arguments behind their names.  False: a message was printed. */
bool check_directory(int argc, char **argv);
bool dump_table(int argc, char **argv);
bool load_table(int argc, char **argv);

/* A data directory that no server has open. */
typedef struct offline {
    refengine_t *engine;
    refengine_session_t *session;
} offline;

typedef struct offline_column {
    char *name;
    bool is_integer;
} offline_column;
typedef struct offline_table {
    char *name; /* quoted, with its database */
    offline_column *columns;
    size_t n_columns;
} offline_table;

/* Opens the engine in a directory that has one already.  False: a message was printed. */
bool offline_open(offline *o, const char *datadir);
void offline_close(offline *o);
bool offline_query(offline *o, const char *sql, refengine_report_fn report, void *arg);
/* The table that a container maps, or DATABASE.TABLE.  offline_forget() frees, also after a failure. */
bool offline_find(offline *o, const char *what, offline_table *t);
void offline_forget(offline_table *t);
void quote_name(buffer *b, const char *name);

/* A bar on standard error, if that is a terminal. */
typedef struct progress {
    bool on, begun;
    struct timespec shown;
} progress;
void progress_start(progress *p);
/* At most ten times a second; `all` 0: nobody knows how much there is. */
void progress_show(progress *p, uint64_t done, uint64_t all, uint64_t rows);
void progress_end(progress *p);

/* ---- plugins.c and variables.c ---- */

typedef struct variable {
    char *name; /* "daemon_memcached_option" */
    dm_sys_var *declared;
    char *owned; /* the memory behind the current value of a string variable */
} variable;

typedef struct plugin {
    struct plugin *next;
    char *library; /* as given to INSTALL PLUGIN */
    void *dl;
    dm_mysql_plugin *declared;
    dm_plugin_int handle; /* what init() gets; its address stays */
    variable *variables;
    size_t n_variables;
} plugin;

typedef struct host {
    host_options options;
    char *init_sql; /* the text of --init-file, or NULL */
    sqlserver_t *sql_end;
    unsigned int sql_port; /* 0: no TCP */
    char *sql_socket;      /* NULL: none */
    refengine_t *engine;
    refengine_session_t *system; /* for mysql.plugin; used under `operation` */
    struct timespec started;     /* CLOCK_MONOTONIC */
    atomic_int stopping;
    pthread_mutex_t operation, registry;
    plugin *plugins; /* in order of installation */
    dm_host_service service;
    pthread_mutex_t message_lock;
    char message[PLUGIN_MESSAGE_SIZE]; /* from the plugin whose init() or check function runs */
} host;

void plugins_setup(host *h);
/* Under `operation`: what the plugin has said since the last call, "" if nothing. */
void plugins_take_message(host *h, char text[PLUGIN_MESSAGE_SIZE]);

typedef enum install_mode {
    INSTALL_STATEMENT, /* loads, then records the plugin in mysql.plugin */
    INSTALL_LOAD       /* only loads */
} install_mode;
/* Takes `operation` itself.  On failure nothing of the plugin is left. */
bool plugins_install(host *h, const char *name, const char *library, install_mode mode, host_error *err);
bool plugins_uninstall(host *h, const char *name, host_error *err);
/* Stops and unloads all plugins, the last one first; mysql.plugin keeps them. */
void plugins_stop(host *h);
/* Loads what mysql.plugin lists.  A plugin that fails ends the start; with --keep-running it is logged and left
 * out, unless an option of the command line is what is wrong. */
bool plugins_load_recorded(host *h, host_error *err);
/* On the first start: loads daemon_memcached and records it together with the table mysql.plugin. */
bool plugins_first_start(host *h, host_error *err);
/* Whether mysql.plugin exists: a first start was completed. */
bool plugins_table_exists(host *h, bool *exists, host_error *err);
bool plugins_create_table(host *h, host_error *err);
bool plugins_create_log_tables(host *h, host_error *err);
bool plugins_set_global(host *h, const char *name, const char *value, host_error *err);
/* The value of a status variable of a plugin as text; false if there is none. */
bool plugins_status(host *h, const char *name, char *text, size_t size);

/* The file of a library, as SONAME names it; free it.  NULL: the name is a path. */
char *plugins_library_file(const host *h, const char *library, host_error *err);

/* What the plugins that have clients tell of them. */
void plugins_connections(host *h, dm_connection_fn tell, void *arg);
/* Ends a client's connection; false if there is none of that number. */
bool plugins_kill(host *h, uint64_t id);

/* Texts of variables need at most this; longer strings are cut. */
#define VALUE_TEXT_MAX 4096
/* Under `registry`. */
void status_text(const dm_show_var *status, char *text, size_t size);
void variable_text(const variable *v, char *text, size_t size);

/* Gives the plugin's variables their start values.  An error has number 0 if the command line is wrong. */
bool variables_register(plugin *p, const host_options *options, host_error *err);
void variables_free(plugin *p);
/* SET GLOBAL; `value` NULL is DEFAULT.  Under `operation`; takes `registry` for the change. */
bool variable_set(host *h, variable *v, const char *value, host_error *err);

/* ---- statements.c ---- */

/* For refengine_set_host(); `arg` is the host. */
int host_statement(void *arg, const refengine_host_statement_t *statement, refengine_reply_t *reply);
/* Runs statements of the host itself; `what` says which in messages. */
bool host_execute(refengine_session_t *session, const char *what, const char *sql, refengine_report_fn report,
                  void *arg, host_error *err);

/* ---- functions.c ---- */

/* From now on a function that waits for a server hears of the stop of this host. */
void functions_setup(const host *h);

/* How long a running statement, or one whose output nobody reads, may delay the stop. */
#define STOP_SECONDS 5

/* ---- edit.c ---- */

/* Line editing on the terminal of standard input: `line` gets each line that is typed without its end, NULL at the end of the
 * input.  False: there is no library for it. */
bool edit_start(void (*line)(const char *line, void *arg), void *arg);
/* Shows a prompt and begins a line; what was typed of another is gone.  After each line it is called again. */
void edit_prompt(const char *prompt);
/* Takes what was typed: standard input is readable. */
void edit_read(void);
bool edit_has_text(void);
/* Gives the terminal back its own ways until the next prompt. */
void edit_pause(void);
/* The same for ever, and keeps the history. */
void edit_stop(void);

/* ---- console.c ---- */

/* Runs `sql` and prints results as `mysql --batch` does.  False: an error was printed. */
bool console_execute(host *h, const char *sql);

typedef struct console console;
/* Starts the thread that reads standard input. NULL: an error was printed. */
console *console_start(host *h);
/* Ctrl-C on the console's terminal: drops what is half typed there, or asks the server to stop.  False: there is no terminal,
 * so the signal is meant for the server. */
bool console_interrupt(console *c);
/* Lets the running statement end and joins the thread.  False: it did not end in time and still uses
 * the engine. */
bool console_stop(console *c);

#endif
