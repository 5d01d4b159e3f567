/*
 * service.c - what a supervisor wants: systemd's notifications, and a question whether a server answers.
 */
#include "host.h"

#include <errno.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define PING_SECONDS 5

void service_notify(const char *state) {
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t length = path ? strlen(path) : 0;
    if (length < 2 || length >= sizeof address.sun_path || (*path != '/' && *path != '@')) return;
    memcpy(address.sun_path, path, length);
    if (*path == '@') address.sun_path[0] = '\0'; /* a name without a file */
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return;
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
    if (sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&address, size) < 0)
        log_line(LOG_WARNING, "DM3011: Cannot notify the supervisor at '%s': %s", path, strerror(errno));
    close(fd);
}

void service_reloading(void) {
    struct timespec now;
    char state[64];
    clock_gettime(CLOCK_MONOTONIC, &now);
    snprintf(state, sizeof state, "RELOADING=1\nMONOTONIC_USEC=%lld", now.tv_sec * 1000000LL + now.tv_nsec / 1000);
    service_notify(state);
}

bool service_watchdog(struct timespec *interval) {
    const char *pid = getenv("WATCHDOG_PID"), *bound = getenv("WATCHDOG_USEC");
    if (!bound || (pid && atol(pid) != (long)getpid())) return false;
    long long half = atoll(bound) / 2;
    if (half <= 0) return false;
    *interval = (struct timespec){.tv_sec = half / 1000000, .tv_nsec = half % 1000000 * 1000};
    return true;
}

static bool no_answer(const char *address, const char *reason) {
    fprintf(stderr, HOST_NAME ": nothing answers at '%s': %s\n", address, reason);
    return false;
}

/* A connected socket, or -1 with *reason set. */
static int connect_to(const char *address, const char **reason) {
    const struct timeval bound = {.tv_sec = PING_SECONDS};
    char host[256];
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM}, *found = NULL;
    struct sockaddr_un local = {.sun_family = AF_UNIX};
    struct addrinfo unix_info = {.ai_family = AF_UNIX, .ai_addr = (struct sockaddr *)&local, .ai_addrlen = sizeof local};
    if (*address == '/') {
        if (strlen(address) >= sizeof local.sun_path) return *reason = "the path is too long", -1;
        strcpy(local.sun_path, address);
    } else {
        const char *colon = strrchr(address, ':');
        if (!colon || (size_t)(colon - address) >= sizeof host) return *reason = "it is no HOST:PORT and no path", -1;
        bool brackets = *address == '[' && colon > address && colon[-1] == ']';
        snprintf(host, sizeof host, "%.*s", (int)(colon - address) - 2 * brackets, address + brackets);
        int failed = getaddrinfo(host, colon + 1, &hints, &found);
        if (failed) return *reason = gai_strerror(failed), -1;
    }
    int fd = -1, error = 0;
    for (struct addrinfo *at = found ? found : &unix_info; at && fd < 0; at = at->ai_next) {
        fd = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0) continue;
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &bound, sizeof bound);
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &bound, sizeof bound); /* bounds connect() too */
        if (connect(fd, at->ai_addr, at->ai_addrlen) == 0) break;
        error = errno;
        close(fd);
        fd = -1;
    }
    if (found) freeaddrinfo(found);
    if (fd < 0) *reason = strerror(error);
    return fd;
}

bool ping(const char *address) {
    static const char question[] = "mn\r\n";
    const char *reason = "";
    char answer[128];
    size_t length = 0;
    int fd = connect_to(address, &reason);
    if (fd < 0) return no_answer(address, reason);
    bool sent = send(fd, question, sizeof question - 1, MSG_NOSIGNAL) == (ssize_t)sizeof question - 1;
    while (sent && length < sizeof answer - 1 && !memchr(answer, '\n', length)) {
        ssize_t n = recv(fd, answer + length, sizeof answer - 1 - length, 0);
        if (n <= 0) break;
        length += (size_t)n;
    }
    close(fd);
    /* A server that wants a login first says so, and lives. */
    if (length >= 4 && (memcmp(answer, "MN\r\n", 4) == 0 || strncmp(answer, "CLIENT_ERROR", length < 12 ? length : 12) == 0))
        return true;
    return no_answer(address, length ? "it speaks another protocol" : "it took the connection and said nothing");
}
