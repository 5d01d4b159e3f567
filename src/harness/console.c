/*
 * console.c - SQL from standard input and from --execute.
 *
 * A statement runs as soon as its `;` has arrived, so that a program can write a statement, read
 * its answer and go on.  Results look like the mysql client's: tab separated (`mysql --batch`), or in
 * frames on a terminal; a statement that ends with \G shows a line for each value.  A failing statement is
 * reported on standard error and the next one runs.  The end of standard input ends the console, not the
 * server.  help, source and quit are lines of their own where a statement could begin.
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
    bool framed;   /* for a terminal */
    bool vertical; /* this statement's rows: a line for each value */
    unsigned int n_columns;
    buffer header;            /* batch: the header line, printed before the first row; vertical: names, ended by NUL */
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

static void vertical_row(printer *p, const refengine_report_t *r) {
    static const char stars[] = "***************************";
    const char *name = p->header.data;
    size_t widest = 0;
    for (unsigned int i = 0; i < r->n_columns; i++, name += strlen(name) + 1)
        if (characters(name) > widest) widest = characters(name);
    printf("%s %zu. row %s\n", stars, ++p->rows, stars);
    name = p->header.data;
    for (unsigned int i = 0; i < r->n_columns; i++, name += strlen(name) + 1) {
        printf("%*s%s: ", (int)(widest - characters(name)), "", name);
        if (r->values[i])
            fwrite(r->values[i], 1, r->lengths[i], stdout);
        else
            fputs("NULL", stdout);
        putchar('\n');
    }
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
    if (p->vertical) {
        for (unsigned int i = 0; i < r->n_columns; i++) buffer_add(&p->header, r->names[i], strlen(r->names[i]) + 1);
        return;
    }
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
        if (!p->vertical) print_frame(p);
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
        if (p->vertical || !p->framed) {
            if (p->vertical)
                vertical_row(p, r);
            else
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

typedef enum statement_end {
    NOT_YET,
    RUN,      /* `;` or \g, or the end of the input */
    RUN_VERTICAL, /* \G */
    CLEAR     /* \c: what was typed is dropped */
} statement_end;

/* How the first statement ends; `*length` are its bytes with that end, `*text` those without \g and \G. */
static statement_end next_statement(splitter *s, bool at_end, size_t *length, size_t *text) {
    while (s->scanned < s->text.length) {
        const char *at = s->text.data + s->scanned;
        size_t left = s->text.length - s->scanned;
        /* `--`, comment marks and escapes need the bytes that follow. */
        if (!at_end && left < 3 && strchr("-/*\\", *at) && *at && (*at != '\\' || left < 2 || s->state != PLAIN)) break;
        char second = left > 1 ? at[1] : '\0', third = left > 2 ? at[2] : '\0';
        *text = s->scanned;
        if (s->state != PLAIN) {
            s->scanned += step_inside(s, *at, second);
        } else if (*at == ';') {
            *text = *length = s->scanned + 1;
            return RUN;
        } else if (*at == '\\' && strchr("gGc", second) && second) {
            *length = s->scanned + 2;
            return second == 'G' ? RUN_VERTICAL : second == 'g' ? RUN : CLEAR;
        } else {
            s->scanned += open_at(s, *at, second, third, left < 3);
        }
    }
    *text = *length = s->text.length;
    return at_end && s->text.length ? RUN : NOT_YET;
}

static void drop_statement(splitter *s, size_t length) {
    for (size_t i = 0; i < length; i++) s->line += s->text.data[i] == '\n';
    buffer_consume(&s->text, length);
    s->scanned = 0;
    s->state = PLAIN;
    s->content = false;
}

/* Runs the next statement of the input if it is complete; false if it is not.  `*good` becomes false when it fails. */
static bool run_next(printer *p, refengine_session_t *session, splitter *s, bool at_end, bool *good) {
    size_t length, text;
    statement_end end = next_statement(s, at_end, &length, &text);
    if (end == NOT_YET) return false;
    p->vertical = end == RUN_VERTICAL;
    if (s->content && end != CLEAR && !run(p, session, s->text.data, text, s->line)) *good = false;
    p->vertical = false;
    drop_statement(s, length);
    return true;
}

bool console_execute(host *h, const char *sql) {
    refengine_session_t *session = open_session(h);
    if (!session) return false;
    printer p = {.h = h};
    splitter s = {.line = 1};
    bool good = true;
    buffer_add_text(&s.text, sql);
    while (good && run_next(&p, session, &s, true, &good)) {
    }
    buffer_free(&s.text);
    printer_free(&p);
    refengine_session_close(session);
    if (!ferror(stdout)) return good;
    fputs(HOST_NAME ": cannot write the result to standard output\n", stderr);
    return false;
}

/* ---- the console's thread ---- */

struct console {
    host *h;
    refengine_session_t *session;
    pthread_t thread;
    int wake;      /* eventfd: stop */
    int interrupt; /* eventfd: Ctrl-C */
    bool ended;    /* it asked the server to stop */
    bool edited;   /* by edit.c */
    bool shown;    /* the prompt for what is typed next */
    bool at_end;   /* of the edited input */
    splitter input;
    printer out;
};

/* Whether a statement was begun. */
static bool in_statement(const console *c) { return c->input.content || c->input.state != PLAIN; }

static void prompt(const console *c) {
    if (!c->out.framed || tcgetpgrp(STDIN_FILENO) != getpgrp()) return;
    const char *text = in_statement(c) ? "             -> " : HOST_NAME "> ";
    if (c->edited) {
        edit_prompt(text);
        return;
    }
    fputs(text, stdout);
    fflush(stdout);
}

static const char help_text[] =
    "Statements end with ; or \\g, or with \\G for a line per value.  \\c or Ctrl-C drops one that is half typed.\n"
    "  help, \\h            this text\n"
    "  source FILE, \\. FILE  run the statements of a file\n"
    "  quit, exit, \\q      stop the server\n"
    "SHOW VARIABLES, SHOW STATUS, SHOW PLUGINS and SHOW PROCESSLIST tell about the server.\n";

/* The first word of a line, and what follows it without a `;` at the end; both ended in place. */
static char *split_line(char *line, char **rest) {
    size_t length = strlen(line);
    while (length && (is_space(line[length - 1]) || line[length - 1] == ';')) line[--length] = '\0';
    while (is_space(*line)) line++;
    *rest = line;
    while (**rest && !is_space(**rest)) (*rest)++;
    if (**rest) *(*rest)++ = '\0';
    while (is_space(**rest)) (*rest)++;
    return line;
}

static bool is_one_of(const char *word, const char *const *words) {
    for (; *words; words++)
        if (strcasecmp(word, *words) == 0) return true;
    return false;
}

enum { SOURCE_DEPTH = 16 };
static void run_file(console *c, const char *path, int depth);

/* Runs a line that is no SQL; false if it is some.  quit is for terminals: a script ends with its input. */
static bool line_command(console *c, char *line, int depth) {
    static const char *const quits[] = {"quit", "exit", "\\q", NULL}, *const helps[] = {"help", "\\h", "?", "\\?", NULL},
                            *const sources[] = {"source", "\\.", NULL};
    char *rest, *word = split_line(line, &rest);
    if (!*rest && is_one_of(word, quits) && c->out.framed) {
        puts("Bye");
        fflush(stdout);
        c->ended = true;
        kill(getpid(), SIGTERM); /* for the main thread's sigwait() */
    } else if (!*rest && is_one_of(word, helps)) {
        fputs(help_text, stdout);
        fflush(stdout);
    } else if (*rest && is_one_of(word, sources)) {
        run_file(c, rest, depth + 1);
    } else {
        return false;
    }
    return true;
}

/* Takes a command's line off the input, where a statement could begin and the line is complete. */
static bool take_command(console *c, splitter *s, bool at_end, int depth) {
    if (s->content || s->state != PLAIN) return false;
    const char *data = s->text.data ? s->text.data : "";
    size_t start = 0;
    while (start < s->text.length && is_space(data[start])) start++;
    const char *end = start < s->text.length ? memchr(data + start, '\n', s->text.length - start) : NULL;
    if (!end && !(at_end && start < s->text.length)) return false;
    size_t length = end ? (size_t)(end - data) + 1 : s->text.length;
    char *line = strndup(data + start, length - start);
    if (!line) return false;
    bool taken = line_command(c, line, depth);
    free(line);
    if (taken) drop_statement(s, length);
    return taken;
}

/* Runs what is complete. */
static void run_complete(console *c, splitter *s, bool at_end, int depth) {
    bool good = true;
    while (!atomic_load(&c->h->stopping) && !c->ended &&
           (take_command(c, s, at_end, depth) || run_next(&c->out, c->session, s, at_end, &good))) {
    }
}

static void run_file(console *c, const char *path, int depth) {
    size_t length;
    char *text = depth <= SOURCE_DEPTH ? read_file(path, &length) : NULL;
    if (!text) {
        fprintf(stderr, "ERROR: cannot read '%s': %s\n", path,
                depth <= SOURCE_DEPTH ? strerror(errno) : "too many files that read files");
        return;
    }
    splitter s = {.line = 1, .text = {text, length, length + 1}};
    run_complete(c, &s, true, depth);
    buffer_free(&s.text);
}

/* Ctrl-C: what is half typed is dropped; without it, the server stops. */
static void interrupted(console *c) {
    bool typed = c->edited && edit_has_text();
    if (c->edited) edit_pause();
    if (!in_statement(c) && !typed) {
        c->ended = true;
        kill(getpid(), SIGTERM);
        return;
    }
    drop_statement(&c->input, c->input.text.length);
    puts(""); /* the terminal has shown ^C */
}

bool console_interrupt(console *c) {
    uint64_t one = 1;
    return c->out.framed && !atomic_load(&c->h->stopping) && write(c->interrupt, &one, sizeof one) == sizeof one;
}

/* A line from the editor. */
static void edited_line(const char *line, void *arg) {
    console *c = arg;
    if (line) {
        buffer_add_text(&c->input.text, line);
        buffer_add_text(&c->input.text, "\n");
    }
    run_complete(c, &c->input, !line, 0);
    c->shown = false;
    c->at_end = !line;
}

/* What can be read; false at the end of the input. */
static bool take_input(console *c) {
    static char chunk[65536];
    if (c->edited) {
        edit_read();
        return !c->at_end;
    }
    ssize_t n = read(STDIN_FILENO, chunk, sizeof chunk);
    if (n < 0) return errno == EINTR || errno == EAGAIN; /* EIO: the terminal belongs to another program */
    buffer_add(&c->input.text, chunk, (size_t)n);
    run_complete(c, &c->input, n == 0, 0);
    c->shown = false;
    return n > 0;
}

static void *console_thread(void *arg) {
    console *c = arg;
    struct pollfd fds[] = {{.fd = STDIN_FILENO, .events = POLLIN},
                           {.fd = c->wake, .events = POLLIN},
                           {.fd = c->interrupt, .events = POLLIN}};
    c->edited = c->out.framed && edit_start(edited_line, c);
    while (!c->ended) {
        if (!c->shown) prompt(c);
        c->shown = true;
        if (poll(fds, 3, -1) < 0 && errno != EINTR) break;
        if (fds[1].revents || (fds[0].revents & POLLNVAL)) break;
        if (fds[2].revents) {
            uint64_t count;
            if (read(c->interrupt, &count, sizeof count) == sizeof count) interrupted(c);
            c->shown = false;
        } else if (fds[0].revents && !take_input(c)) {
            break;
        }
    }
    if (c->edited) edit_stop();
    return NULL;
}

static void console_free(console *c) {
    refengine_session_close(c->session);
    printer_free(&c->out);
    buffer_free(&c->input.text);
    close(c->wake);
    close(c->interrupt);
    free(c);
}

console *console_start(host *h) {
    console *c = must_alloc(sizeof *c);
    c->h = h;
    c->input.line = 1;
    c->out = (printer){.h = h, .framed = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO)};
    c->wake = eventfd(0, EFD_CLOEXEC);
    c->interrupt = eventfd(0, EFD_CLOEXEC);
    if (c->wake < 0 || c->interrupt < 0) {
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
