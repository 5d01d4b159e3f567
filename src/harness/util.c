/* util.c - errors, memory, the error log. */
#include "host.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool fail(host_error *err, unsigned int number, const char *sqlstate, const char *format, ...) {
    if (err) {
        va_list args;
        va_start(args, format);
        vsnprintf(err->message, sizeof err->message, format, args);
        va_end(args);
        err->number = number;
        snprintf(err->sqlstate, sizeof err->sqlstate, "%s", sqlstate);
    }
    return false;
}

static _Noreturn void out_of_memory(void) {
    fputs(HOST_NAME ": out of memory\n", stderr);
    _exit(1);
}

void *must_alloc(size_t size) {
    void *memory = calloc(1, size ? size : 1);
    if (!memory) out_of_memory();
    return memory;
}

char *must_copy(const char *text) {
    char *copy = strdup(text);
    if (!copy) out_of_memory();
    return copy;
}

char *must_format(const char *format, ...) {
    char *text;
    va_list args;
    va_start(args, format);
    int length = vasprintf(&text, format, args);
    va_end(args);
    if (length < 0) out_of_memory();
    return text;
}

void buffer_add(buffer *b, const char *bytes, size_t length) {
    if (b->capacity - b->length <= length) {
        size_t capacity = b->capacity ? b->capacity : 256;
        while (capacity - b->length <= length) {
            if (capacity > SIZE_MAX / 2) out_of_memory();
            capacity *= 2;
        }
        char *data = realloc(b->data, capacity);
        if (!data) out_of_memory();
        b->data = data;
        b->capacity = capacity;
    }
    if (length) memcpy(b->data + b->length, bytes, length);
    b->length += length;
    b->data[b->length] = '\0';
}

void buffer_add_text(buffer *b, const char *text) { buffer_add(b, text, strlen(text)); }

void buffer_consume(buffer *b, size_t length) {
    if (!length) return;
    memmove(b->data, b->data + length, b->length - length + 1);
    b->length -= length;
}

void buffer_free(buffer *b) {
    free(b->data);
    *b = (buffer){0};
}

/* Where the log goes. */
static int log_fd = STDERR_FILENO;

bool log_open(const char *path) {
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
    if (fd < 0) return false;
    if (log_fd == STDERR_FILENO) {
        log_fd = fd; /* no other thread yet */
        return true;
    }
    /* Whoever writes a line meanwhile writes it to the one or to the other. */
    bool done = dup3(fd, log_fd, O_CLOEXEC) >= 0;
    close(fd);
    return done;
}

void log_line(log_level level, const char *format, ...) {
    static const char *const names[] = {"ERROR", "Warning", "Note"};
    struct timespec now;
    struct tm utc;
    char stamp[32], line[2048];
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%S", &utc);
    const char *name = names[level >= LOG_ERROR && level <= LOG_NOTE ? level - LOG_ERROR : LOG_NOTE - LOG_ERROR];
    int head = snprintf(line, sizeof line, "%s.%06ldZ 0 [%s] ", stamp, now.tv_nsec / 1000, name);
    va_list args;
    va_start(args, format);
    vsnprintf(line + head, sizeof line - (size_t)head - 1, format, args);
    va_end(args);
    size_t length = strlen(line);
    for (size_t i = 0; i < length; i++)
        if (line[i] == '\n' || line[i] == '\r') line[i] = ' ';
    line[length++] = '\n';
    ssize_t written = write(log_fd, line, length);
    (void)written; /* there is no other place to complain */
}

char *read_file(const char *path, size_t *length) {
    FILE *file = fopen(path, "re");
    if (!file) return NULL;
    buffer text = {0};
    char chunk[16384];
    size_t n;
    buffer_add(&text, "", 0);
    while ((n = fread(chunk, 1, sizeof chunk, file)) > 0) buffer_add(&text, chunk, n);
    if (ferror(file)) {
        int reason = errno;
        fclose(file);
        buffer_free(&text);
        errno = reason;
        return NULL;
    }
    fclose(file);
    *length = text.length;
    return text.data;
}

bool print_error(const char *format, ...) {
    va_list args;
    fputs(HOST_NAME ": ", stderr);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    return false;
}
