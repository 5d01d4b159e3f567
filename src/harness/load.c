/*
 * load.c - `memcached-host load [--csv] DIR TABLE [FILE]`: rows from text into a table.
 *
 * Rows go in batches, each a transaction, so that a batch is there whole or not at all, whatever ends the program.  A
 * row whose key is there already gets the values that are given; the others it keeps.
 */
#include "records.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A batch ends with as many rows, or as many bytes of SQL. */
enum { BATCH_ROWS = 1000, BATCH_BYTES = 1 << 20 };

typedef struct loader {
    offline o;
    offline_table table;
    record_reader reader;
    buffer sql; /* of the batch, a statement in each line */
    uint64_t lines[BATCH_ROWS];
    size_t n;
    uint64_t rows; /* that are stored */
} loader;

static bool bad_line(const loader *l, uint64_t line, const char *reason) {
    return print_error("line %llu: %s; nothing of its batch was stored, %llu rows were before it", (unsigned long long)line,
                            reason, (unsigned long long)l->rows);
}

/* A value as SQL has it, without a line end. */
static bool add_value(buffer *b, const offline_column *column, const field *f) {
    const char *bytes = f->bytes.data;
    size_t length = f->bytes.length;
    if (f->state == FIELD_NULL) {
        buffer_add_text(b, "NULL");
    } else if (column->is_integer) {
        size_t sign = length && *bytes == '-';
        if (length == sign || length > 32 || strspn(bytes + sign, "0123456789") != length - sign) return false;
        buffer_add(b, bytes, length);
    } else if (!is_utf8(bytes, length)) {
        buffer_add_text(b, "X'");
        add_hex(b, bytes, length);
        buffer_add_text(b, "'");
    } else {
        buffer_add_text(b, "'");
        for (size_t i = 0; i < length; i++) {
            switch (bytes[i]) {
            case '\0': buffer_add_text(b, "\\0"); break;
            case '\n': buffer_add_text(b, "\\n"); break;
            case '\r': buffer_add_text(b, "\\r"); break;
            case '\'': buffer_add_text(b, "\\'"); break;
            case '\\': buffer_add_text(b, "\\\\"); break;
            default: buffer_add(b, &bytes[i], 1);
            }
        }
        buffer_add_text(b, "'");
    }
    return true;
}

/* Lists of the columns that are given: their names, or with `update` what becomes of a row that is there. */
static void add_names(buffer *b, const loader *l, bool update) {
    bool first = true;
    for (size_t i = 0; i < l->table.n_columns; i++) {
        if (l->reader.fields[i].state == FIELD_ABSENT) continue;
        if (!first) buffer_add_text(b, ", ");
        first = false;
        quote_name(b, l->table.columns[i].name);
        if (!update) continue;
        buffer_add_text(b, " = VALUES(");
        quote_name(b, l->table.columns[i].name);
        buffer_add_text(b, ")");
    }
}

/* Adds the record that was read last. */
static bool add_row(loader *l) {
    buffer *b = &l->sql;
    char reason[256];
    if (l->n == 0) buffer_add_text(b, "BEGIN;\n");
    buffer_add_text(b, "INSERT INTO ");
    buffer_add_text(b, l->table.name);
    buffer_add_text(b, " (");
    add_names(b, l, false);
    buffer_add_text(b, ") VALUES (");
    bool first = true;
    for (size_t i = 0; i < l->table.n_columns; i++) {
        const offline_column *column = &l->table.columns[i];
        if (l->reader.fields[i].state == FIELD_ABSENT) continue;
        if (!first) buffer_add_text(b, ", ");
        first = false;
        if (!add_value(b, column, &l->reader.fields[i])) {
            snprintf(reason, sizeof reason, "column '%.64s' takes integers", column->name);
            return bad_line(l, l->reader.line, reason);
        }
    }
    buffer_add_text(b, ") ON DUPLICATE KEY UPDATE ");
    add_names(b, l, true);
    buffer_add_text(b, ";\n");
    l->lines[l->n++] = l->reader.line;
    return true;
}

static bool store_batch(loader *l) {
    if (l->n == 0) return true;
    buffer_add_text(&l->sql, "COMMIT");
    if (refengine_execute(l->o.session, l->sql.data, l->sql.length, NULL, NULL) != REFENGINE_OK) {
        char *reason = must_copy(refengine_last_error(l->o.session));
        size_t at = refengine_last_line(l->o.session); /* the first row is in the second line */
        refengine_execute(l->o.session, "ROLLBACK", 8, NULL, NULL);
        bool row = at >= 2 && at - 2 < l->n;
        if (row) bad_line(l, l->lines[at - 2], reason);
        else print_error("%s; %llu rows were stored before", reason, (unsigned long long)l->rows);
        free(reason);
        return false;
    }
    l->rows += l->n;
    l->n = l->sql.length = 0;
    return true;
}

static bool load_rows(loader *l, FILE *file, const transfer *t) {
    struct stat found;
    uint64_t all = fstat(fileno(file), &found) == 0 && S_ISREG(found.st_mode) ? (uint64_t)found.st_size : 0;
    progress bar;
    progress_start(&bar);
    record_result result = records_begin(&l->reader, file, t->format, &l->table);
    bool done = true;
    while (done && result == RECORD_READ && (result = records_read(&l->reader)) == RECORD_READ) {
        done = add_row(l);
        if (done && (l->n == BATCH_ROWS || l->sql.length >= BATCH_BYTES)) {
            done = store_batch(l);
            progress_show(&bar, l->reader.taken, all, l->rows);
        }
    }
    if (done && result == RECORD_END) done = store_batch(l);
    if (done && result == RECORD_END) progress_show(&bar, all, all, l->rows);
    progress_end(&bar);
    return done && (result == RECORD_END || bad_line(l, l->reader.line, l->reader.reason));
}

bool load_table(int argc, char **argv) {
    transfer t;
    static loader l;
    if (!transfer_arguments("load", argc, argv, &t)) return false;
    FILE *file = t.path ? fopen(t.path, "re") : stdin;
    if (!file) return print_error("cannot read '%s': %s", t.path, strerror(errno));
    bool done = offline_open(&l.o, t.datadir) && offline_find(&l.o, t.table, &l.table);
    if (done) {
        done = load_rows(&l, file, &t);
        records_end(&l.reader);
    }
    offline_forget(&l.table);
    buffer_free(&l.sql);
    offline_close(&l.o);
    if (t.path) fclose(file);
    if (done) fprintf(stderr, HOST_NAME ": %llu rows were loaded\n", (unsigned long long)l.rows);
    return done;
}
