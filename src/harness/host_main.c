/* host_main.c - memcached-host: start, wait for a signal, stop. */
#include "host.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static bool complain(const host *h, const char *message) {
    print_error("%s", message);
    if (h->options.log_error) log_line(LOG_ERROR, "DM3001: %s", message);
    return false;
}

/* SIGHUP, SIGTERM and SIGINT are taken by sigwait(); SIGTTIN must not stop a server in the background whose
 * console reads the terminal.  Threads started later inherit the mask. */
static sigset_t block_signals(void) {
    sigset_t blocked, stop;
    sigemptyset(&stop);
    sigaddset(&stop, SIGTERM);
    sigaddset(&stop, SIGINT);
    blocked = stop;
    sigaddset(&blocked, SIGHUP);
    sigaddset(&blocked, SIGTTIN);
    pthread_sigmask(SIG_BLOCK, &blocked, NULL);
    return stop;
}

/* As many descriptors as the administrator allows: a connection takes one. */
static void raise_descriptors(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

#define STANDBY_POLL_MS 50

/* A pause of a standby; false when a signal asks it to stop. */
static bool stand_by(const sigset_t *stop) {
    const struct timespec pause = {.tv_nsec = STANDBY_POLL_MS * 1000000L};
    return sigtimedwait(stop, NULL, &pause) < 0;
}

/* A standby tries until whoever has the directory open lets go of it. */
static bool open_engine(host *h, const sigset_t *stop) {
    char reason[512] = "";
    long tries = atol(h->options.wait_for_datadir) * 1000 / STANDBY_POLL_MS;
    refengine_result_t result =
        refengine_open(h->options.datadir, h->options.engine.data, &h->engine, reason, sizeof reason);
    if (result == REFENGINE_LOCKED && tries > 0) {
        printf("The data directory '%s' is in use; standing by for up to %s s\n", h->options.datadir,
               h->options.wait_for_datadir);
        fflush(stdout);
    }
    while (result == REFENGINE_LOCKED && tries-- > 0) {
        if (!stand_by(stop)) return complain(h, "stopped while standing by");
        result = refengine_open(h->options.datadir, h->options.engine.data, &h->engine, reason, sizeof reason);
    }
    if (result == REFENGINE_OK && refengine_session_open(h->engine, &h->system) == REFENGINE_OK) {
        refengine_set_host(h->engine, host_statement, h);
        return true;
    }
    char *message =
        result == REFENGINE_LOCKED
            ? must_format("the data directory '%s' is in use by another process", h->options.datadir)
            : must_format("cannot open the data directory '%s': %s", h->options.datadir,
                          *reason ? reason : "the engine gave no reason");
    complain(h, message);
    free(message);
    return false;
}

/* SQL of the host's own start, in a session of its own: a USE in it ends with it. */
static bool run_script(host *h, const char *what, const char *sql, host_error *err) {
    refengine_session_t *session;
    if (refengine_session_open(h->engine, &session) != REFENGINE_OK)
        return fail(err, 0, "HY000", "%s: cannot open a session of the engine", what);
    bool done = host_execute(session, what, sql, NULL, NULL, err);
    refengine_session_close(session);
    return done;
}

/* Before anything is touched: a file that cannot be read must not cost a half start. */
static bool read_init_file(host *h) {
    const char *path = h->options.init_file;
    size_t length;
    if (!path) return true;
    h->init_sql = read_file(path, &length);
    if (h->init_sql && strlen(h->init_sql) == length) return true;
    fprintf(stderr, HOST_NAME ": cannot read init file '%s': %s\n", path,
            h->init_sql ? "it contains a NUL byte" : strerror(errno));
    return false;
}

/* Tables and plugins.  mysql.plugin exists once a first start was completed. */
static bool prepare(host *h) {
    host_error err;
    bool exists, done = plugins_table_exists(h, &exists, &err);
    if (done && !exists && !h->options.no_defaults_sql)
        done = run_script(h, "innodb_memcached_config.sql", host_config_sql, &err) &&
               run_script(h, "default_container.sql", host_container_sql, &err) && plugins_first_start(h, &err);
    else if (done)
        done = plugins_create_table(h, &err) && plugins_load_recorded(h, &err);
    if (done) done = plugins_create_log_tables(h, &err);
    if (done && h->init_sql) done = run_script(h, h->options.init_file, h->init_sql, &err);
    return done || complain(h, err.message);
}

/* The default socket of a data directory with a long name is left out; one that was asked for must work. */
static void choose_socket(host *h) {
    const char *given = h->options.socket;
    if (given && !*given) return;
    h->sql_socket = given ? must_copy(given) : must_format("%s/" HOST_NAME ".sock", h->options.datadir);
    if (!given && strlen(h->sql_socket) >= sizeof((struct sockaddr_un *)0)->sun_path) {
        log_line(LOG_WARNING, "DM3002: No UNIX socket for MySQL clients: '%s' is too long a path; --socket names another",
                 h->sql_socket);
        free(h->sql_socket);
        h->sql_socket = NULL;
    }
}

static bool start_sql_end(host *h) {
    char reason[512] = "";
    choose_socket(h);
    sqlserver_config_t config = {.address = h->options.skip_networking ? NULL : h->options.bind_address,
                                 .port = (unsigned int)atoi(h->options.port),
                                 .socket = h->sql_socket,
                                 .max_connections = 151,
                                 .ssl_cert = h->options.ssl_cert,
                                 .ssl_key = h->options.ssl_key};
    if (sqlserver_start(h->engine, &config, &h->sql_end, reason, sizeof reason) != REFENGINE_OK) return complain(h, reason);
    h->sql_port = sqlserver_port(h->sql_end);
    return true;
}

/* A command to try for the first of "127.0.0.1:11211, [::1]:11211, /run/m.sock". */
static void print_try(const char *listening) {
    char first[256], address[256];
    snprintf(first, sizeof first, "%.*s", (int)strcspn(listening, ","), listening);
    char *colon = strrchr(first, ':');
    if (*first == '/' || !colon) {
        snprintf(address, sizeof address, "-U %.240s", first);
    } else {
        *colon = '\0';
        char *name = first + (*first == '[');
        name[strcspn(name, "]")] = '\0';
        const char *reachable = strcmp(name, "0.0.0.0") == 0 ? "127.0.0.1" : strcmp(name, "::") == 0 ? "::1" : name;
        snprintf(address, sizeof address, "%.200s %.20s", reachable, colon + 1);
    }
    printf("Try: printf 'set greeting 0 0 5\\r\\nhello\\r\\nget greeting\\r\\nquit\\r\\n' | nc %s\n", address);
}

static void announce(host *h) {
    char listening[VALUE_TEXT_MAX];
    printf(HOST_NAME " " HOST_VERSION ", data in %s\n", h->options.datadir);
    if (plugins_status(h, "Daemon_memcached_listening", listening, sizeof listening) && *listening) {
        printf("Listening on %s\n", listening);
        print_try(listening);
    } else {
        puts("Nothing listens yet: INSTALL PLUGIN " DM_PLUGIN_NAME " SONAME 'daemon_memcached.so';");
    }
    if (h->sql_socket) printf("SQL: mysql --socket=%s -u root\n", h->sql_socket);
    if (h->sql_port) printf("SQL on %s:%u\n", h->options.bind_address, h->sql_port);
    puts(HOST_NAME " is ready");
    fflush(stdout);
}

/* SIGHUP: what an administrator exchanged is taken up. */
static void take_up(host *h) {
    char reason[512] = "";
    if (h->options.log_error && !log_open(h->options.log_error))
        log_line(LOG_ERROR, "DM3003: Cannot open log file '%s': %s", h->options.log_error, strerror(errno));
    if (sqlserver_reload(h->sql_end, reason, sizeof reason) != REFENGINE_OK)
        log_line(LOG_ERROR, "DM3004: The certificates of the SQL end stay as they were: %s", reason);
    else
        log_line(LOG_NOTE, "DM3005: SIGHUP: the log was opened anew and the certificates were read again");
}

/* The supervisor hears that all is well as long as the engine answers. */
static void report_health(host *h) {
    host_error err;
    if (run_script(h, "watchdog", "SELECT 1", &err))
        service_notify("WATCHDOG=1");
    else
        log_line(LOG_WARNING, "DM3006: The engine does not answer: %s", err.message);
}

/* Until a signal asks for the end. */
static void wait_for_stop(host *h, console *c, const sigset_t *stop) {
    sigset_t all = *stop;
    struct timespec interval;
    bool watched = service_watchdog(&interval);
    sigaddset(&all, SIGHUP);
    for (;;) {
        int signal_number = watched ? sigtimedwait(&all, NULL, &interval) : sigwaitinfo(&all, NULL);
        if (signal_number == SIGHUP) {
            service_reloading();
            take_up(h);
            service_notify("READY=1");
        } else if (signal_number > 0 && (signal_number != SIGINT || !console_interrupt(c))) {
            return;
        }
        if (watched) report_health(h);
    }
}

static bool write_pid(const host *h) {
    const char *path = h->options.pid_file;
    if (!path) return true;
    FILE *file = fopen(path, "we");
    bool good = file && fprintf(file, "%ld\n", (long)getpid()) > 0;
    int reason = errno;
    if (file && fclose(file) != 0) good = false;
    if (good) return true;
    fprintf(stderr, HOST_NAME ": cannot write pid file '%s': %s\n", path, strerror(reason));
    return false;
}

static bool serve(host *h, const sigset_t *stop) {
    if (!start_sql_end(h) || !write_pid(h)) return false;
    announce(h);
    console *c = console_start(h);
    if (!c) return false;
    service_notify("READY=1");
    wait_for_stop(h, c, stop);
    service_notify("STOPPING=1");
    atomic_store(&h->stopping, 1);
    if (h->options.pid_file) unlink(h->options.pid_file);
    /* First the plugins: a statement of the console may wait for a row lock of theirs. */
    plugins_stop(h);
    bool ended = sqlserver_stop(h->sql_end, STOP_SECONDS);
    h->sql_end = NULL;
    if (console_stop(c) && ended) return true;
    /* As after a crash, the next start recovers; nothing committed is lost. */
    log_line(LOG_ERROR, "DM3007: A statement does not end: stopping without closing the engine");
    _exit(EXIT_FAILURE);
}

static void close_all(host *h) {
    atomic_store(&h->stopping, 1);
    plugins_stop(h);
    sqlserver_stop(h->sql_end, STOP_SECONDS);
    refengine_session_close(h->system);
    refengine_close(h->engine);
    free(h->init_sql);
    free(h->sql_socket);
    options_free(&h->options);
}

static const struct {
    const char *name;
    bool (*run)(int argc, char **argv);
} subcommands[] = {{"passwd", passwd}, {"check", check_directory}, {"dump", dump_table}, {"load", load_table}};

int main(int argc, char **argv) {
    static host h;
    for (size_t i = 0; argc > 1 && i < sizeof subcommands / sizeof *subcommands; i++)
        if (strcmp(argv[1], subcommands[i].name) == 0)
            return subcommands[i].run(argc - 2, argv + 2) ? EXIT_SUCCESS : EXIT_FAILURE;
    options_result result = options_parse(&h.options, argc, argv);
    if (result != OPTIONS_RUN) {
        options_free(&h.options);
        return result == OPTIONS_EXIT ? EXIT_SUCCESS : EXIT_FAILURE;
    }
    if (h.options.log_error && !log_open(h.options.log_error)) {
        fprintf(stderr, HOST_NAME ": cannot open log file '%s': %s\n", h.options.log_error, strerror(errno));
        options_free(&h.options);
        return EXIT_FAILURE;
    }
    sigset_t stop = block_signals();
    raise_descriptors();
    clock_gettime(CLOCK_MONOTONIC, &h.started);
    plugins_setup(&h);
    functions_setup(&h);
    bool good = read_init_file(&h) && open_engine(&h, &stop) && prepare(&h);
    if (good) good = h.options.execute ? console_execute(&h, h.options.execute) : serve(&h, &stop);
    close_all(&h);
    return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
