/*
 * faults.so - a disk that fails, for programs under LD_PRELOAD.
 *
 * It stands between a program and the files below one directory, counts the calls that change them ("steps"), and makes
 * one of them go wrong.  It also knows what of these files is on disk by POSIX's promises alone: a file's bytes as of
 * its last fsync or fdatasync, a directory's names as of its last fsync.  A machine that stops leaves just that.
 *
 *   FAULTS_DIR        the directory; it exists when the program starts, and what is in it is on disk
 *   FAULTS_SHADOW     an empty directory for the shim's own copies of what is on disk
 *   FAULTS_LOG        gets a line for each step: number, call, path, bytes
 *   FAULTS_STEP       the step at which FAULTS_KIND happens, from 1
 *   FAULTS_KIND       kill   the process is killed in place of the step
 *                     tear   half of the step's bytes are written, then the process is killed
 *                     stop   the machine stops in place of the step: what is on disk goes to FAULTS_SURVIVORS, and the
 *                            process is killed
 *                     error  the step fails with EIO; fsync then has dropped what was not on disk
 *                     errors this step and all later ones fail with EIO
 *                     short  the step writes half of its bytes and says so
 *   FAULTS_SURVIVORS  a directory that does not exist
 *   FAULTS_SEED       other than 0: of what was not synced, an arbitrary half reaches the disk too (sectors of 512 bytes,
 *                     the names of a directory), as a real disk may reorder it
 *   FAULTS_SWITCH     a file; while it exists, its first word is a kind for every step: errors, stop, or
 *                     full   whatever needs space fails with ENOSPC
 *                     stall TEXT  steps whose lines in the log contain TEXT wait as long as the file says so
 *
 * fsync itself does not go to the real disk, which makes the tests fast; the files are as good as ever for other
 * processes, since the machine does not stop.  Calls that do not go through libc are not counted, but what they did is
 * seen, because directories and files are looked at when they are synced.  Writes through mmap are not seen.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum { SECTOR = 512, CHUNK = 1 << 16 };

struct range {
    off_t from, to;
};

/* A file or directory, known by inode and time of birth, since inodes are used again. */
struct node {
    uint64_t inode;
    int64_t born;
    bool is_dir;
    unsigned int id; /* names its copy in FAULTS_SHADOW */
    /* File: changed since the last sync, and the smallest length since then. */
    struct range *dirty;
    size_t n_dirty;
    off_t cut;
    /* Directory: names as of the last sync. */
    struct name *names;
    size_t n_names;
    struct node *next;
};

struct name {
    char text[NAME_MAX + 1];
    struct node *node;
};

static pthread_mutex_t mutex = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
static char folder[PATH_MAX];
static const char *shadow, *kind = "", *switch_file, *survivors;
static unsigned long step_wanted, steps;
static uint64_t seed;
static int log_fd = -1;
static struct node *nodes;
static unsigned int last_id;

/* The shim itself cannot go on. */
#define DIE() (dprintf(2, "faults.c:%d: %s\n", __LINE__, strerror(errno)), abort())

#define REAL(name) ((__typeof__(&name))real(#name))

static void *real(const char *name)
{
    void *f = dlsym(RTLD_NEXT, name);
    if (f == NULL)
        DIE();
    return f;
}

/* --- what is on disk ---------------------------------------------------------------------------------------------- */

static bool is_ours(const char *path)
{
    size_t n = strlen(folder);
    return n > 0 && strncmp(path, folder, n) == 0 && (path[n] == '/' || path[n] == 0);
}

static bool path_of(int fd, char *path)
{
    char link[40];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, PATH_MAX - 1);
    path[n > 0 ? n : 0] = 0;
    return is_ours(path);
}

static struct node *node_at(int fd, const char *path)
{
    struct statx s;
    if (statx(fd, path, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW, STATX_TYPE | STATX_INO | STATX_BTIME, &s) != 0)
        return NULL;
    int64_t born = s.stx_btime.tv_sec * 1000000000 + s.stx_btime.tv_nsec;
    for (struct node *node = nodes; node != NULL; node = node->next) {
        if (node->inode == s.stx_ino && node->born == born)
            return node;
    }
    struct node *node = calloc(1, sizeof *node);
    if (node == NULL)
        DIE();
    *node = (struct node){.inode = s.stx_ino, .born = born, .is_dir = S_ISDIR(s.stx_mode), .id = ++last_id, .next = nodes};
    nodes = node;
    return node;
}

static int open_copy(const struct node *node, int flags)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%u", shadow, node->id);
    return REAL(open)(path, flags | O_CLOEXEC, 0600);
}

static void copy_range(int from, int to, off_t at, off_t end)
{
    static char bytes[CHUNK];
    while (at < end) {
        size_t n = end - at < CHUNK ? (size_t)(end - at) : CHUNK;
        ssize_t got = pread(from, bytes, n, at);
        if (got <= 0)
            return;
        if (REAL(pwrite)(to, bytes, (size_t)got, at) != got)
            DIE();
        at += got;
    }
}

/* The file's bytes are on disk now. */
static void file_is_synced(int fd, struct node *node)
{
    char link[40];
    struct stat now, then;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    int from = REAL(open)(link, O_RDONLY | O_CLOEXEC);
    int to = open_copy(node, O_RDWR | O_CREAT);
    if (from < 0 || to < 0 || fstat(from, &now) != 0 || fstat(to, &then) != 0)
        DIE();
    if (node->cut < then.st_size && REAL(ftruncate)(to, node->cut) != 0)
        DIE();
    for (size_t i = 0; i < node->n_dirty; i++)
        copy_range(from, to, node->dirty[i].from, node->dirty[i].to);
    if (REAL(ftruncate)(to, now.st_size) != 0)
        DIE();
    node->n_dirty = 0;
    node->cut = now.st_size;
    close(from);
    close(to);
}

/* The names of the directory are on disk now. */
static void dir_is_synced(const char *path, struct node *node)
{
    DIR *dir = opendir(path);
    if (dir == NULL)
        return;
    node->n_names = 0;
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        node->names = realloc(node->names, (node->n_names + 1) * sizeof *node->names);
        struct name *name = &node->names[node->n_names++];
        snprintf(name->text, sizeof name->text, "%s", entry->d_name);
        name->node = node_at(dirfd(dir), entry->d_name);
    }
    closedir(dir);
}

static void mark_dirty(struct node *node, off_t from, off_t to)
{
    struct range *last = node->n_dirty > 0 ? &node->dirty[node->n_dirty - 1] : NULL;
    if (last != NULL && last->to == from) {
        last->to = to;
        return;
    }
    node->dirty = realloc(node->dirty, (node->n_dirty + 1) * sizeof *node->dirty);
    node->dirty[node->n_dirty++] = (struct range){from, to};
}

/* Everything below `path` is on disk. */
static void take_over(const char *path)
{
    struct node *node = node_at(AT_FDCWD, path);
    struct stat s;
    if (node == NULL || lstat(path, &s) != 0)
        return;
    if (!node->is_dir) {
        int fd = REAL(open)(path, O_RDONLY | O_CLOEXEC);
        /* A socket, or gone meanwhile. */
        if (fd < 0)
            return;
        mark_dirty(node, 0, s.st_size);
        file_is_synced(fd, node);
        close(fd);
        return;
    }
    dir_is_synced(path, node);
    for (size_t i = 0; i < node->n_names; i++) {
        char below[PATH_MAX];
        snprintf(below, sizeof below, "%.2000s/%s", path, node->names[i].text);
        take_over(below);
    }
}

static bool coin(void)
{
    if (seed == 0)
        return false;
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed >> 40 & 1;
}

static struct node *name_in(const struct node *dir, const char *text)
{
    for (size_t i = 0; i < dir->n_names; i++) {
        if (strcmp(dir->names[i].text, text) == 0)
            return dir->names[i].node;
    }
    return NULL;
}

/* Writes what is on disk of the node to `to`.  `now`: where it is in the running system, NULL if it is gone there. */
static void survive(struct node *node, const char *now, const char *to)
{
    if (!node->is_dir) {
        int copy = open_copy(node, O_RDONLY), current = now == NULL ? -1 : REAL(open)(now, O_RDONLY | O_CLOEXEC);
        int out = REAL(open)(to, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        struct stat s = {0};
        if (out < 0)
            DIE();
        if (copy >= 0 && fstat(copy, &s) == 0) {
            copy_range(copy, out, 0, s.st_size);
            if (REAL(ftruncate)(out, s.st_size) != 0)
                DIE();
        }
        for (size_t i = 0; current >= 0 && i < node->n_dirty; i++) {
            off_t end = node->dirty[i].to;
            for (off_t at = node->dirty[i].from; at < end; at = (at / SECTOR + 1) * SECTOR) {
                off_t next = (at / SECTOR + 1) * SECTOR;
                if (coin())
                    copy_range(current, out, at, next < end ? next : end);
            }
        }
        close(copy);
        close(current);
        close(out);
        return;
    }
    if (REAL(mkdir)(to, 0700) != 0)
        DIE();
    struct node present = {0};
    if (now != NULL)
        dir_is_synced(now, &present);
    /* A rename is never half done, so the names are all those of the last sync or all those of now. */
    const struct node *kept = now != NULL && coin() ? &present : node;
    for (size_t i = 0; i < kept->n_names; i++) {
        const struct name *name = &kept->names[i];
        char below[PATH_MAX], below_now[PATH_MAX];
        snprintf(below, sizeof below, "%.2000s/%s", to, name->text);
        snprintf(below_now, sizeof below_now, "%.2000s/%s", now == NULL ? "" : now, name->text);
        bool there = now != NULL && name_in(&present, name->text) == name->node;
        survive(name->node, there ? below_now : NULL, below);
    }
    free(present.names);
}

static void stop_machine(void)
{
    survive(node_at(AT_FDCWD, folder), folder, survivors);
    kill(getpid(), SIGKILL);
}

/* --- steps -------------------------------------------------------------------------------------------------------- */

enum verdict { PASS, FAIL, HALF, HALF_AND_KILL, NEEDS_SPACE };

/* What FAULTS_SWITCH says now, or nothing. */
static void read_switch(char *text, size_t size)
{
    int fd = switch_file == NULL ? -1 : REAL(open)(switch_file, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd >= 0 ? read(fd, text, size - 1) : 0;
    text[got > 0 ? got : 0] = 0;
    if (fd >= 0)
        close(fd);
}

/* Counts a step and says what becomes of it. The mutex is held, once: a step that waits lets go of it. */
static enum verdict step(const char *call, const char *path, size_t bytes)
{
    char line[PATH_MAX + 80], word[80] = "";
    int n = snprintf(line, sizeof line, "%lu %s %s %zu\n", ++steps, call, path + strlen(folder), bytes);
    if (log_fd >= 0 && REAL(write)(log_fd, line, (size_t)n) != n)
        DIE();
    read_switch(word, sizeof word);
    while (strncmp(word, "stall ", 6) == 0 && strstr(line, word + 6) != NULL) {
        pthread_mutex_unlock(&mutex);
        usleep(5000);
        pthread_mutex_lock(&mutex);
        read_switch(word, sizeof word);
    }
    const char *what = word[0] ? word : steps == step_wanted ? kind : "";
    if (strcmp(kind, "errors") == 0 && step_wanted > 0 && steps >= step_wanted)
        what = kind;
    if (strcmp(what, "kill") == 0)
        kill(getpid(), SIGKILL);
    if (strcmp(what, "stop") == 0)
        stop_machine();
    if (strncmp(what, "error", 5) == 0) {
        errno = EIO;
        return FAIL;
    }
    if (strcmp(what, "full") == 0)
        return NEEDS_SPACE;
    if (strcmp(what, "tear") == 0)
        return HALF_AND_KILL;
    return strcmp(what, "short") == 0 ? HALF : PASS;
}

/* A step on a path that has no bytes. True: it failed. */
static bool step_on_path(const char *call, const char *path, bool needs_space)
{
    enum verdict verdict = step(call, path, 0);
    if (verdict == HALF_AND_KILL)
        kill(getpid(), SIGKILL);
    if (verdict == NEEDS_SPACE && needs_space) {
        errno = ENOSPC;
        return true;
    }
    return verdict == FAIL;
}

/* A copy: a program may change its environment. NULL: it is not there. */
static char *setting(const char *name)
{
    const char *value = getenv(name);
    return value == NULL ? NULL : strdup(value);
}

__attribute__((constructor)) static void start(void)
{
    const char *dir = getenv("FAULTS_DIR"), *log = getenv("FAULTS_LOG");
    char path[PATH_MAX];
    shadow = setting("FAULTS_SHADOW");
    if (dir == NULL || shadow == NULL || realpath(dir, path) == NULL)
        return;
    kind = setting("FAULTS_KIND");
    if (kind == NULL)
        kind = "";
    step_wanted = strtoul(getenv("FAULTS_STEP") ? getenv("FAULTS_STEP") : "0", NULL, 10);
    seed = strtoul(getenv("FAULTS_SEED") ? getenv("FAULTS_SEED") : "0", NULL, 10) * 0x9e3779b97f4a7c15u;
    survivors = setting("FAULTS_SURVIVORS");
    switch_file = setting("FAULTS_SWITCH");
    if (log != NULL)
        log_fd = REAL(open)(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    take_over(path);
    strcpy(folder, path);
}

/* --- the calls ---------------------------------------------------------------------------------------------------- */

#define LOCK() pthread_mutex_lock(&mutex)
#define UNLOCK() \
    do { \
        int saved = errno; \
        pthread_mutex_unlock(&mutex); \
        errno = saved; \
    } while (0)

/* An absolute path for the arguments of an *at call; the parent is resolved, the last part is not. */
static bool resolve(int dirfd, const char *path, char *out)
{
    char whole[2 * PATH_MAX], base[PATH_MAX] = "";
    if (path[0] != '/') {
        if (dirfd == AT_FDCWD) {
            if (getcwd(base, sizeof base) == NULL)
                return false;
        } else
            path_of(dirfd, base);
    }
    snprintf(whole, sizeof whole, "%s%s%s", base, base[0] ? "/" : "", path);
    char *slash = strrchr(whole, '/');
    if (slash == NULL)
        return false;
    *slash = 0;
    char parent[PATH_MAX];
    if (realpath(whole[0] ? whole : "/", parent) == NULL)
        return false;
    return snprintf(out, PATH_MAX, "%.3000s/%.1000s", parent, slash + 1) > 0 && is_ours(out);
}

static int open_any(int dirfd, const char *path, int flags, mode_t mode)
{
    char whole[PATH_MAX];
    if (folder[0] == 0 || !(flags & (O_CREAT | O_TRUNC)) || !resolve(dirfd, path, whole))
        return REAL(openat)(dirfd, path, flags, mode);
    LOCK();
    bool creates = access(whole, F_OK) != 0;
    int fd = -1;
    if (!(creates || flags & O_TRUNC) || !step_on_path("open", whole, creates))
        fd = REAL(openat)(dirfd, path, flags, mode);
    if (fd >= 0) {
        struct node *node = node_at(fd, "");
        if (node != NULL && flags & O_TRUNC)
            node->cut = 0;
    }
    UNLOCK();
    return fd;
}

static mode_t mode_argument(int flags, va_list arguments)
{
    return flags & (O_CREAT | O_TMPFILE) ? va_arg(arguments, mode_t) : 0;
}

#define OPEN(name, parameters, dirfd) \
    int name parameters \
    { \
        va_list arguments; \
        va_start(arguments, flags); \
        mode_t mode = mode_argument(flags, arguments); \
        va_end(arguments); \
        return open_any(dirfd, path, flags, mode); \
    }
OPEN(open, (const char *path, int flags, ...), AT_FDCWD)
OPEN(open64, (const char *path, int flags, ...), AT_FDCWD)
OPEN(openat, (int fd, const char *path, int flags, ...), fd)
OPEN(openat64, (int fd, const char *path, int flags, ...), fd)

/* Bytes from `at` that need no space. */
static size_t room(int fd, off_t at, size_t bytes)
{
    struct stat s;
    off_t before = lseek(fd, 0, SEEK_CUR);
    off_t hole = fstat(fd, &s) == 0 && at < s.st_size ? lseek(fd, at, SEEK_HOLE) : at;
    lseek(fd, before, SEEK_SET);
    return hole <= at ? 0 : (size_t)(hole - at) < bytes ? (size_t)(hole - at) : bytes;
}

/* Writes at `at`, or at the file's position if that is -1. */
static ssize_t write_any(int fd, const void *bytes, size_t n, off_t at)
{
    char path[PATH_MAX];
    if (folder[0] == 0 || !path_of(fd, path))
        return at < 0 ? REAL(write)(fd, bytes, n) : REAL(pwrite)(fd, bytes, n, at);
    LOCK();
    struct node *node = node_at(fd, "");
    enum verdict verdict = step("write", path, n);
    ssize_t done = -1;
    size_t allowed = (verdict == HALF && n > 1) || verdict == HALF_AND_KILL ? n / 2 : n;
    if (verdict == NEEDS_SPACE) {
        bool appends = fcntl(fd, F_GETFL) & O_APPEND;
        allowed = room(fd, at >= 0 ? at : lseek(fd, 0, appends ? SEEK_END : SEEK_CUR), n);
        if (allowed == 0 && n > 0) {
            errno = ENOSPC;
            verdict = FAIL;
        }
    }
    if (verdict != FAIL)
        done = at < 0 ? REAL(write)(fd, bytes, allowed) : REAL(pwrite)(fd, bytes, allowed, at);
    if (verdict == HALF_AND_KILL)
        kill(getpid(), SIGKILL);
    if (done > 0 && node != NULL) {
        off_t from = at >= 0 ? at : lseek(fd, 0, SEEK_CUR) - done;
        mark_dirty(node, from, from + done);
    }
    UNLOCK();
    return done;
}

ssize_t write(int fd, const void *bytes, size_t n)
{
    return write_any(fd, bytes, n, -1);
}

ssize_t pwrite(int fd, const void *bytes, size_t n, off_t at)
{
    return write_any(fd, bytes, n, at);
}

ssize_t pwrite64(int fd, const void *bytes, size_t n, off_t at)
{
    return write_any(fd, bytes, n, at);
}

/* One part after the other: a caller must expect a short count anyway. */
ssize_t writev(int fd, const struct iovec *parts, int n)
{
    char path[PATH_MAX];
    if (folder[0] == 0 || !path_of(fd, path))
        return REAL(writev)(fd, parts, n);
    ssize_t all = 0;
    for (int i = 0; i < n; i++) {
        ssize_t done = write_any(fd, parts[i].iov_base, parts[i].iov_len, -1);
        if (done < 0)
            return all > 0 ? all : -1;
        all += done;
        if ((size_t)done < parts[i].iov_len)
            break;
    }
    return all;
}

static int truncate_any(int fd, off_t length)
{
    char path[PATH_MAX];
    if (folder[0] == 0 || !path_of(fd, path))
        return REAL(ftruncate)(fd, length);
    LOCK();
    int result = -1;
    struct node *node = node_at(fd, "");
    if (!step_on_path("ftruncate", path, false))
        result = REAL(ftruncate)(fd, length);
    if (result == 0 && node != NULL && length < node->cut)
        node->cut = length;
    UNLOCK();
    return result;
}

int ftruncate(int fd, off_t length)
{
    return truncate_any(fd, length);
}

int ftruncate64(int fd, off_t length)
{
    return truncate_any(fd, length);
}

static int sync_any(int fd, const char *call)
{
    char path[PATH_MAX];
    if (folder[0] == 0 || !path_of(fd, path))
        return strcmp(call, "fsync") == 0 ? REAL(fsync)(fd) : REAL(fdatasync)(fd);
    LOCK();
    struct node *node = node_at(fd, "");
    int result = step_on_path(call, path, false) ? -1 : 0;
    if (result == 0 && node != NULL && node->is_dir)
        dir_is_synced(path, node);
    else if (result == 0 && node != NULL)
        file_is_synced(fd, node);
    else if (node != NULL && !node->is_dir)
        /* As Linux does: the pages count as clean from now on, and a later sync does not bring them to the disk. */
        node->n_dirty = 0;
    UNLOCK();
    return result;
}

int fsync(int fd)
{
    return sync_any(fd, "fsync");
}

int fdatasync(int fd)
{
    return sync_any(fd, "fdatasync");
}

/* Calls with one path that change its directory. */
#define ON_PATH(name, parameters, dirfd, path, needs_space, ...) \
    int name parameters \
    { \
        char whole[PATH_MAX]; \
        if (folder[0] == 0 || !resolve(dirfd, path, whole)) \
            return REAL(name)(__VA_ARGS__); \
        LOCK(); \
        int result = step_on_path(#name, whole, needs_space) ? -1 : REAL(name)(__VA_ARGS__); \
        UNLOCK(); \
        return result; \
    }
ON_PATH(unlink, (const char *path), AT_FDCWD, path, false, path)
ON_PATH(rmdir, (const char *path), AT_FDCWD, path, false, path)
ON_PATH(unlinkat, (int fd, const char *path, int flags), fd, path, false, fd, path, flags)
ON_PATH(mkdir, (const char *path, mode_t mode), AT_FDCWD, path, true, path, mode)
ON_PATH(mkdirat, (int fd, const char *path, mode_t mode), fd, path, true, fd, path, mode)
ON_PATH(rename, (const char *path, const char *to), AT_FDCWD, path, false, path, to)
ON_PATH(renameat, (int fd, const char *path, int to_fd, const char *to), fd, path, false, fd, path, to_fd, to)
