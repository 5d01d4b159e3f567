/*
 * embed.c - a program that runs engine and daemon itself: no host, no plugin lifecycle.
 *
 *   embed DATADIR
 *
 * Creates the tables by the two scripts, starts the daemon on a free port, sets and gets over a socket,
 * sees the row by SQL, stops and closes.  Exit status 0 and "ok" if all of it worked.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <daemon_memcached.h>
#include <refengine.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CHECK(condition, ...)                                            \
    do {                                                                 \
        if (!(condition)) {                                              \
            fprintf(stderr, "embed.c:%d: %s: ", __LINE__, #condition);   \
            fprintf(stderr, __VA_ARGS__);                                \
            fputc('\n', stderr);                                         \
            exit(1);                                                     \
        }                                                                \
    } while (0)

static atomic_int attached, attached_ever, log_lines;

static void on_log(void *arg, int level, const char *line) {
    fprintf(stderr, "%s [%d] %s\n", (const char *)arg, level, line);
    atomic_fetch_add(&log_lines, 1);
}

static int on_attach(void *arg, void **state) {
    *state = arg;
    atomic_fetch_add(&attached, 1);
    atomic_fetch_add(&attached_ever, 1);
    return 0;
}

static void on_detach(void *arg, void *state) {
    CHECK(state == arg, "the state of the thread came back changed");
    atomic_fetch_sub(&attached, 1);
}

static void run_file(refengine_session_t *session, const char *path) {
    static char text[65536];
    FILE *file = fopen(path, "r");
    CHECK(file, "%s", path);
    size_t length = fread(text, 1, sizeof text, file);
    fclose(file);
    CHECK(length < sizeof text, "%s is too long", path);
    CHECK(refengine_execute(session, text, length, NULL, NULL) == REFENGINE_OK, "%s: line %u: %s", path,
          refengine_last_line(session), refengine_last_error(session));
}

static void ask(int fd, const char *request, const char *reply) {
    char got[256] = "";
    size_t n = 0;
    CHECK(send(fd, request, strlen(request), MSG_NOSIGNAL) == (ssize_t)strlen(request), "send");
    while (n < strlen(reply)) {
        ssize_t more = recv(fd, got + n, sizeof got - 1 - n, 0);
        CHECK(more > 0, "the daemon closed after \"%s\"", got);
        n += (size_t)more;
    }
    CHECK(strcmp(got, reply) == 0, "\"%s\" instead of \"%s\"", got, reply);
}

static int connect_to(uint16_t port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct timeval bound = {.tv_sec = 30};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) == 0, "connect to %u", port);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &bound, sizeof bound);
    return fd;
}

static int see_row(void *arg, const refengine_report_t *report) {
    if (report->event == REFENGINE_ROW && report->n_columns == 1 && report->lengths[0] == 5 &&
        memcmp(report->values[0], "hello", 5) == 0)
        *(int *)arg += 1;
    return 0;
}

static void see_status(void *arg, const char *name, const char *value) {
    if (strcmp(name, "cmd_set") == 0) snprintf(arg, 32, "%s", value);
}

int main(int argc, char **argv) {
    char err[256] = "", sets[32] = "";
    CHECK(argc == 2, "usage: embed DATADIR");
    refengine_t *engine = NULL;
    CHECK(refengine_open(argv[1], "innodb_flush_log_at_trx_commit=2", &engine, err, sizeof err) == REFENGINE_OK, "%s",
          err);
    CHECK(refengine_is_new(engine), "the data directory is fresh");
    refengine_session_t *session = NULL;
    CHECK(refengine_session_open(engine, &session) == REFENGINE_OK, "session");

    char arg[] = "embed";
    dm_handle *daemon = NULL;
    dm_config config = {
        .struct_size = sizeof config,
        .abi_version = DM_ABI_VERSION,
        .innodb_api = refengine_api(engine),
        .innodb_api_entries = IB_CB_ENTRIES,
        .option = "-p 0 -t 2",
        .arg = arg,
        .log = on_log,
        .thread_attach = on_attach,
        .thread_detach = on_detach,
    };
    CHECK(dm_start(&config, &daemon, err, sizeof err) == DM_BAD_CONFIGURATION && *err, "no tables yet: %s", err);
    run_file(session, SQL_DIR "/innodb_memcached_config.sql");
    run_file(session, SQL_DIR "/default_container.sql");
    config.option = "-p 0 -Z";
    CHECK(dm_start(&config, &daemon, err, sizeof err) == DM_BAD_OPTION && strstr(err, "-Z"), "%s", err);
    config.option = "-p 0 -t 2";
    config.abi_version = 99;
    CHECK(dm_start(&config, &daemon, err, sizeof err) == DM_INVALID_ARGUMENT, "%s", err);
    config.abi_version = DM_ABI_VERSION;
    CHECK(dm_start(&config, &daemon, err, sizeof err) == DM_OK, "%s", err);
    dm_handle *second = NULL;
    CHECK(dm_start(&config, &second, err, sizeof err) == DM_ALREADY_RUNNING && !second, "%s", err);

    uint16_t port = dm_port(daemon, 0);
    CHECK(port && !dm_port(daemon, 1), "port %u", port);
    int fd = connect_to(port);
    ask(fd, "set greeting 7 0 5\r\nhello\r\n", "STORED\r\n");
    ask(fd, "get greeting\r\n", "VALUE greeting 7 5\r\nhello\r\nEND\r\n");
    int seen = 0;
    const char *sql = "SELECT value FROM memcached.cache WHERE `key` = 'greeting'";
    CHECK(refengine_execute(session, sql, strlen(sql), see_row, &seen) == REFENGINE_OK, "%s",
          refengine_last_error(session));
    CHECK(seen == 1, "%d rows", seen);
    CHECK(dm_status(daemon, see_status, sets) == DM_OK && strcmp(sets, "1") == 0, "cmd_set is %s", sets);
    close(fd);

    CHECK(dm_stop(daemon) == DM_OK, "stop");
    CHECK(atomic_load(&attached) == 0 && atomic_load(&attached_ever) > 0, "%d threads of %d still attached",
          atomic_load(&attached), atomic_load(&attached_ever));
    CHECK(dm_stop(NULL) == DM_OK, "stop of nothing");
    refengine_session_close(session);
    refengine_close(engine);
    puts("ok");
    return 0;
}
