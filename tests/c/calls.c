/*
 * calls.so - calls of the system that fail in one thread of a program, under LD_PRELOAD.
 *
 *   CALLS_SWITCH  a file; while it exists, it says what fails:
 *                 poll THREAD     epoll_wait in the thread of that name, with EIO; each failure adds a byte to the file's end
 *                 clock THREAD N  the Nth clock_gettime in that thread since the file says so, once
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* Whether `call` is to fail in this thread, and the number behind the thread's name, or 0. */
static bool asked(const char *call, unsigned int *number)
{
    const char *path = getenv("CALLS_SWITCH");
    char text[128] = "", what[16], thread[17], own[17] = "";
    int fd = path == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t got = read(fd, text, sizeof text - 1);
    close(fd);
    *number = 0;
    prctl(PR_GET_NAME, own);
    return got > 0 && sscanf(text, "%15s %16s %u", what, thread, number) >= 2 && strcmp(what, call) == 0 &&
        strcmp(thread, own) == 0;
}

int epoll_wait(int epoll, struct epoll_event *events, int most, int timeout)
{
    unsigned int number;
    if (asked("poll", &number)) {
        int fd = open(getenv("CALLS_SWITCH"), O_WRONLY | O_APPEND | O_CLOEXEC);
        if (fd >= 0) {
            if (write(fd, ".", 1) != 1)
                abort();
            close(fd);
        }
        errno = EIO;
        return -1;
    }
    static int (*next)(int, struct epoll_event *, int, int);
    if (next == NULL)
        next = (int (*)(int, struct epoll_event *, int, int))dlsym(RTLD_NEXT, "epoll_wait");
    return next(epoll, events, most, timeout);
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
    static __thread unsigned int calls;
    unsigned int number;
    if (!asked("clock", &number))
        calls = 0;
    else if (++calls == number) {
        errno = EINVAL;
        return -1;
    }
    return (int)syscall(SYS_clock_gettime, clock, now);
}
