/*
 * console.c - SQL from standard input and from --execute.
 *
 * A statement runs as soon as its `;` has arrived, so that a program can write a statement, read
 * its answer and go on.  Results look like the mysql client's: tab separated (`mysql --batch`), or in
 * frames on a terminal.  A failing statement is reported on standard error and the next one runs.  The
 * end of standard input ends the console, not the server.
 */
#include "host.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* ---- results ---- */

typedef struct printer {
    host *h;
    bool framed; /* for a terminal */
    unsigned int n_columns;
    buffer header;            /* batch: the header line, printed before the first row */
    buffer cells;             /* framed: texts of names and rows, each ended by NUL */
    size_t *widths, rows;
    struct timespec started;
} printer;

static void printer_free(printer *p) {
    buffer_free(&p->header);
    buffer_free(&p->cells);
    free(p->widths);
}

/* One field as `mysql --batch` escapes it. */
static void print_escaped(const char *text, size_t length) {
    for (size_t i = 0; i < length; i++) {
        switch (text[i]) {
        case '\t': fputs("\\t", stdout); break;
        case '\n': fputs("\\n", stdout); break;
        case '\\': fputs("\\\\", stdout); break;
        case '\0': fputs("\\0", stdout); break;
        default: putc(text[i], stdout);
        }
    }
}

static void batch_row(printer *p, const refengine_report_t *r) {
    if (p->rows++ == 0) fwrite(p->header.data, 1, p->header.length, stdout);
    for (unsigned int i = 0; i < r->n_columns; i++) {
        if (i) putc('\t', stdout);
        if (r->values[i])
            print_escaped(r->values[i], r->lengths[i]);
        else
            fputs("NULL", stdout);
    }
    putc('\n', stdout);
}

/* Characters of UTF-8 text. */
static size_t characters(const char *text) {
    size_t n = 0;
    for (; *text; text++) n += (*text & 0xC0) != 0x80;
    return n;
}

/* Keeps a field for the frame; control characters, which would break it, become spaces. */
static void keep_cell(printer *p, unsigned int column, const char *text, size_t length) {
    size_t at = p->cells.length;
    buffer_add(&p->cells, text, length);
    for (size_t i = at; i < p->cells.length; i++)
        if ((unsigned char)p->cells.data[i] < ' ' || p->cells.data[i] == 0x7F) p->cells.data[i] = ' ';
    buffer_add(&p->cells, "", 1);
    size_t width = characters(p->cells.data + at);
    if (width > p->widths[column]) p->widths[column] = width;
}

static void print_rule(const printer *p) {
    for (unsigned int i = 0; i < p->n_columns; i++) {
        putchar('+');
        for (size_t n = 0; n < p->widths[i] + 2; n++) putchar('-');
    }
    puts("+");
}

static void print_frame(const printer *p) {
    const char *cell = p->cells.data;
    print_rule(p);
    for (size_t line = 0; line <= p->rows; line++) {
        for (unsigned int i = 0; i < p->n_columns; i++) {
            printf("| %s%*s ", cell, (int)(p->widths[i] - characters(cell)), "");
            cell += strlen(cell) + 1;
        }
        puts("|");
        if (line == 0) print_rule(p);
    }
    print_rule(p);
}

static void begin_result(printer *p, const refengine_report_t *r) {
    p->n_columns = r->n_columns;
    p->rows = 0;
    p->header.length = p->cells.length = 0;
    if (p->framed) {
        free(p->widths);
        p->widths = must_alloc(r->n_columns * sizeof *p->widths);
        for (unsigned int i = 0; i < r->n_columns; i++) keep_cell(p, i, r->names[i], strlen(r->names[i]));
        return;
    }
    for (unsigned int i = 0; i < r->n_columns; i++) {
        if (i) buffer_add_text(&p->header, "\t");
        buffer_add_text(&p->header, r->names[i]);
    }
    buffer_add_text(&p->header, "\n");
}

static void framed_done(printer *p, const refengine_report_t *r) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    double took = (double)(now.tv_sec - p->started.tv_sec) + (double)(now.tv_nsec - p->started.tv_nsec) / 1e9;
    if (r->n_columns == 0) {
        unsigned long long n = r->affected_rows;
        printf("Query OK, %llu %s affected (%.2f sec)\n\n", n, n == 1 ? "row" : "rows", took);
    } else if (p->rows == 0) {
        printf("Empty set (%.2f sec)\n\n", took);
    } else {
        print_frame(p);
        printf("%zu %s in set (%.2f sec)\n\n", p->rows, p->rows == 1 ? "row" : "rows", took);
    }
}

/* With --execute nobody waits for signals; they are seen here. */
static bool stop_pending(void) {
    sigset_t pending;
    return sigpending(&pending) == 0 && (sigismember(&pending, SIGTERM) == 1 || sigismember(&pending, SIGINT) == 1);
}

static int print_report(void *arg, const refengine_report_t *r) {
    printer *p = arg;
    switch (r->event) {
    case REFENGINE_COLUMNS: begin_result(p, r); break;
    case REFENGINE_ROW:
        if (!p->framed) {
            batch_row(p, r);
            break;
        }
        p->rows++;
        for (unsigned int i = 0; i < r->n_columns; i++) {
            if (r->values[i])
                keep_cell(p, i, r->values[i], r->lengths[i]);
            else
                keep_cell(p, i, "NULL", 4);
        }
        break;
    case REFENGINE_DONE:
        if (p->framed) framed_done(p, r);
        break;
    }
    return atomic_load(&p->h->stopping) || (p->rows % 1024 == 0 && stop_pending());
}

/* Runs `sql`, whose first line has number `line`. */
static bool run(printer *p, refengine_session_t *session, const char *sql, size_t length, unsigned int line) {
    clock_gettime(CLOCK_MONOTONIC, &p->started);
    bool done = refengine_execute(session, sql, length, print_report, p) == REFENGINE_OK;
    fflush(stdout);
    if (done) return true;
    unsigned int number = refengine_last_errno(session);
    const char *state = refengine_last_sqlstate(session), *message = refengine_last_error(session);
    if (p->framed)
        fprintf(stderr, "ERROR %u (%s): %s\n\n", number, state, message);
    else
        fprintf(stderr, "ERROR %u (%s) at line %u: %s\n", number, state, line + refengine_last_line(session) - 1,
                message);
    return false;
}

static refengine_session_t *open_session(host *h) {
    refengine_session_t *session = NULL;
    if (refengine_session_open(h->engine, &session) != REFENGINE_OK)
        fputs(HOST_NAME ": cannot open a session of the engine\n", stderr);
    return session;
}

bool console_execute(host *h, const char *sql) {
    refengine_session_t *session = open_session(h);
    if (!session) return false;
    printer p = {.h = h};
    bool done = run(&p, session, sql, strlen(sql), 1);
    printer_free(&p);
    refengine_session_close(session);
    if (!ferror(stdout)) return done;
    fputs(HOST_NAME ": cannot write the result to standard output\n", stderr);
    return false;
}

/* ---- statements of a stream ---- */

typedef enum scan_state { PLAIN, SINGLE_QUOTE, DOUBLE_QUOTE, BACKTICK, LINE_COMMENT, BLOCK_COMMENT } scan_state;

typedef struct splitter {
    buffer text;         /* input that was not run yet */
    size_t scanned;      /* where the scan goes on */
    scan_state state;    /* there */
    bool content;        /* something but space and comments came before */
    unsigned int line;   /* of the first byte of `text` */
} splitter;

static bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

/* Leaves state PLAIN at s->scanned if something opens there; returns how many bytes that takes. */
static size_t open_at(splitter *s, char c, char second, char third, bool at_end) {
    size_t taken = 1;
    if (c == '\'') s->state = SINGLE_QUOTE;
    else if (c == '"') s->state = DOUBLE_QUOTE;
    else if (c == '`') s->state = BACKTICK;
    else if (c == '#' || (c == '-' && second == '-' && (is_space(third) || at_end))) s->state = LINE_COMMENT;
    else if (c == '/' && second == '*') {
        s->state = BLOCK_COMMENT;
        taken = 2;
    }
    /* A comment that starts with ! is run. */
    bool comment = s->state == LINE_COMMENT || (s->state == BLOCK_COMMENT && third != '!');
    if (!comment && !is_space(c) && c != ';') s->content = true;
    return taken;
}

/* One step inside a quote or comment. */
static size_t step_inside(splitter *s, char c, char second) {
    static const char ends[] = {[SINGLE_QUOTE] = '\'', [DOUBLE_QUOTE] = '"', [BACKTICK] = '`', [LINE_COMMENT] = '\n'};
    if (s->state == BLOCK_COMMENT) {
        if (c != '*' || second != '/') return 1;
        s->state = PLAIN;
        return 2;
    }
    if (c == '\\' && (s->state == SINGLE_QUOTE || s->state == DOUBLE_QUOTE)) return 2;
    if (c == ends[s->state]) s->state = PLAIN;
    return 1;
}

/* The length of the first complete statement with its `;`, or 0.  At the end of the input what is left
 * is a statement too. */
static size_t next_statement(splitter *s, bool at_end) {
    while (s->scanned < s->text.length) {
        const char *at = s->text.data + s->scanned;
        size_t left = s->text.length - s->scanned;
        /* `--`, comment marks and escapes need the bytes that follow. */
        if (!at_end && left < 3 && strchr("-/*\\", *at) && *at) break;
        char second = left > 1 ? at[1] : '\0', third = left > 2 ? at[2] : '\0';
        if (s->state != PLAIN) {
            s->scanned += step_inside(s, *at, second);
        } else if (*at == ';') {
            return s->scanned + 1;
        } else {
            s->scanned += open_at(s, *at, second, third, left < 3);
        }
    }
    return at_end ? s->text.length : 0;
}

static void drop_statement(splitter *s, size_t length) {
    for (size_t i = 0; i < length; i++) s->line += s->text.data[i] == '\n';
    buffer_consume(&s->text, length);
    s->scanned = 0;
    s->state = PLAIN;
    s->content = false;
}

/* ---- the console's thread ---- */

struct console {
    host *h;
    refengine_session_t *session;
    pthread_t thread;
    int wake; /* eventfd: stop */
    splitter input;
    printer out;
};

/* Whether a statement was begun. */
static bool in_statement(const console *c) { return c->input.content || c->input.state != PLAIN; }

static void prompt(const console *c) {
    if (!c->out.framed || tcgetpgrp(STDIN_FILENO) != getpgrp()) return;
    fputs(in_statement(c) ? "             -> " : HOST_NAME "> ", stdout);
    fflush(stdout);
}

/* quit, exit or \q on a line of its own. */
static bool is_quit(const char *line, size_t length) {
    static const char *const words[] = {"quit", "exit", "\\q"};
    while (length && is_space(*line)) line++, length--;
    while (length && (is_space(line[length - 1]) || line[length - 1] == ';')) length--;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (length == strlen(words[i]) && strncasecmp(line, words[i], length) == 0) return true;
    return false;
}

/* Runs what is complete. */
static void run_complete(console *c, bool at_end) {
    splitter *s = &c->input;
    size_t length;
    while (!atomic_load(&c->h->stopping) && (length = next_statement(s, at_end)) > 0) {
        if (s->content) run(&c->out, c->session, s->text.data, length, s->line);
        drop_statement(s, length);
    }
}

static void *console_thread(void *arg) {
    console *c = arg;
    static char chunk[65536];
    struct pollfd fds[] = {{.fd = STDIN_FILENO, .events = POLLIN}, {.fd = c->wake, .events = POLLIN}};
    for (;;) {
        prompt(c);
        if (poll(fds, 2, -1) < 0 && errno != EINTR) break;
        if (fds[1].revents || (fds[0].revents & POLLNVAL)) break;
        if (!fds[0].revents) continue;
        ssize_t n = read(STDIN_FILENO, chunk, sizeof chunk);
        if (n < 0 && (errno == EINTR || errno == EAGAIN)) continue;
        if (n < 0) break; /* EIO: the terminal belongs to another program */
        if (n == 0) {
            run_complete(c, true);
            break;
        }
        if (c->out.framed && !in_statement(c) && is_quit(chunk, (size_t)n)) {
            puts("Bye");
            kill(getpid(), SIGTERM); /* for the main thread's sigwait() */
            break;
        }
        buffer_add(&c->input.text, chunk, (size_t)n);
        run_complete(c, false);
    }
    return NULL;
}

static void console_free(console *c) {
    refengine_session_close(c->session);
    printer_free(&c->out);
    buffer_free(&c->input.text);
    close(c->wake);
    free(c);
}

console *console_start(host *h) {
    console *c = must_alloc(sizeof *c);
    c->h = h;
    c->input.line = 1;
    c->out = (printer){.h = h, .framed = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO)};
    c->wake = eventfd(0, EFD_CLOEXEC);
    if (c->wake < 0) {
        fprintf(stderr, HOST_NAME ": cannot make an event descriptor: %s\n", strerror(errno));
    } else if ((c->session = open_session(h))) {
        int failed = pthread_create(&c->thread, NULL, console_thread, c);
        if (!failed) return c;
        fprintf(stderr, HOST_NAME ": cannot start the console's thread: %s\n", strerror(failed));
    }
    console_free(c);
    return NULL;
}

bool console_stop(console *c) {
    uint64_t one = 1;
    ssize_t written = write(c->wake, &one, sizeof one);
    (void)written; /* cannot fail: the counter is far from its end */
    struct timespec bound;
    clock_gettime(CLOCK_REALTIME, &bound);
    bound.tv_sec += STOP_SECONDS;
    if (pthread_timedjoin_np(c->thread, NULL, &bound) != 0) return false;
    console_free(c);
    return true;
}
