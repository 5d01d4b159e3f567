/* records.c - rows as text; records.h has the forms. */
#include "records.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A record that is longer is refused. */
#define RECORD_MAX (256u << 20)

static const char digits[] = "0123456789ABCDEF";

/* Bytes of the UTF-8 character at `at`, 0 if there is none. */
static size_t character(const unsigned char *at, size_t left) {
    unsigned char c = at[0];
    size_t n = c < 0x80 ? 1 : c >= 0xC2 && c < 0xE0 ? 2 : (c & 0xF0) == 0xE0 ? 3 : c >= 0xF0 && c < 0xF5 ? 4 : 0;
    if (n == 0 || n > left) return 0;
    for (size_t i = 1; i < n; i++)
        if ((at[i] & 0xC0) != 0x80) return 0;
    bool overlong = (c == 0xE0 && at[1] < 0xA0) || (c == 0xF0 && at[1] < 0x90);
    bool outside = (c == 0xED && at[1] >= 0xA0) || (c == 0xF4 && at[1] >= 0x90);
    return overlong || outside ? 0 : n;
}

bool is_utf8(const char *bytes, size_t length) {
    for (size_t at = 0; at < length;) {
        size_t n = character((const unsigned char *)bytes + at, length - at);
        if (!n) return false;
        at += n;
    }
    return true;
}

void add_hex(buffer *b, const char *bytes, size_t length) {
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)bytes[i];
        buffer_add(b, (const char[]){digits[c >> 4], digits[c & 15]}, 2);
    }
}

static int digit(char c) {
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* The bytes that hexadecimal digits tell, in place. */
static bool from_hex(buffer *b, size_t from) {
    size_t length = b->length - from;
    if (length % 2) return false;
    for (size_t i = 0; i < length; i += 2) {
        int high = digit(b->data[from + i]), low = digit(b->data[from + i + 1]);
        if (high < 0 || low < 0) return false;
        b->data[i / 2] = (char)(high << 4 | low);
    }
    b->length = length / 2;
    if (b->data) b->data[b->length] = '\0';
    return true;
}

/* ---- writing ---- */

static void put_hex(FILE *file, const char *bytes, size_t length) {
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)bytes[i];
        putc(digits[c >> 4], file);
        putc(digits[c & 15], file);
    }
}

static void put_json_string(FILE *file, const char *text, size_t length) {
    putc('"', file);
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c == '"' || c == '\\') {
            putc('\\', file);
            putc(c, file);
        } else if (c < ' ') {
            fprintf(file, "\\u%04x", c);
        } else {
            putc(c, file);
        }
    }
    putc('"', file);
}

static void put_csv(FILE *file, const char *text, size_t length) {
    bool escape = length >= 2 && text[0] == '\\' && text[1] == 'x';
    if (escape || !is_utf8(text, length) || memchr(text, '\0', length)) {
        fputs("\\x", file);
        put_hex(file, text, length);
        return;
    }
    bool quote = length == 0;
    for (size_t i = 0; i < length && !quote; i++) quote = strchr(",\"\r\n", text[i]) != NULL;
    if (!quote) {
        fwrite(text, 1, length, file);
        return;
    }
    putc('"', file);
    for (size_t i = 0; i < length; i++) {
        if (text[i] == '"') putc('"', file);
        putc(text[i], file);
    }
    putc('"', file);
}

void records_write_head(FILE *file, record_format format, const offline_table *t) {
    if (format != RECORDS_CSV) return;
    for (size_t i = 0; i < t->n_columns; i++) {
        if (i) putc(',', file);
        put_csv(file, t->columns[i].name, strlen(t->columns[i].name));
    }
    putc('\n', file);
}

static void put_json(FILE *file, const offline_column *column, const char *value, size_t length) {
    if (!value) {
        fputs("null", file);
    } else if (column->is_integer) {
        fwrite(value, 1, length, file);
    } else if (is_utf8(value, length)) {
        put_json_string(file, value, length);
    } else {
        fputs("{\"hex\":\"", file);
        put_hex(file, value, length);
        fputs("\"}", file);
    }
}

void records_write(FILE *file, record_format format, const offline_table *t, const refengine_report_t *row) {
    bool json = format == RECORDS_JSON;
    if (json) putc('{', file);
    for (size_t i = 0; i < t->n_columns; i++) {
        if (i) putc(',', file);
        if (json) {
            put_json_string(file, t->columns[i].name, strlen(t->columns[i].name));
            putc(':', file);
            put_json(file, &t->columns[i], row->values[i], row->lengths[i]);
        } else if (row->values[i]) {
            put_csv(file, row->values[i], row->lengths[i]);
        }
    }
    fputs(json ? "}\n" : "\n", file);
}

/* ---- reading ---- */

static record_result bad(record_reader *r, const char *format, ...) __attribute__((format(printf, 2, 3)));
static record_result bad(record_reader *r, const char *format, ...) {
    va_list args;
    va_start(args, format);
    vsnprintf(r->reason, sizeof r->reason, format, args);
    va_end(args);
    return RECORD_BAD;
}

static int take(record_reader *r) {
    int c = getc_unlocked(r->file);
    if (c == EOF) return c;
    r->taken++;
    if (c == '\n') r->next++;
    return c;
}

static int peek(record_reader *r) { return ungetc(getc_unlocked(r->file), r->file); }

static record_result at_end(record_reader *r) {
    return ferror(r->file) ? bad(r, "the file cannot be read: %s", strerror(errno)) : RECORD_END;
}

/* The column of a name, or -1. */
static ptrdiff_t column_of(const record_reader *r, const char *name) {
    for (size_t i = 0; i < r->table->n_columns; i++)
        if (strcasecmp(r->table->columns[i].name, name) == 0) return (ptrdiff_t)i;
    return -1;
}

static void clear(record_reader *r) {
    for (size_t i = 0; i < r->table->n_columns; i++) {
        r->fields[i].state = FIELD_ABSENT;
        r->fields[i].bytes.length = 0;
    }
}

/* How a field of CSV ended. */
typedef enum csv_end { CSV_FIELD, CSV_RECORD, CSV_BAD } csv_end;

/* One field into `bytes`; `*quoted` tells an empty text from NULL. */
static csv_end csv_field(record_reader *r, buffer *bytes, bool *quoted) {
    bool inside = false;
    *quoted = false;
    for (;;) {
        int c = take(r);
        if (c == EOF && inside) return bad(r, "a quote is not closed"), CSV_BAD;
        if (c == EOF || (c == '\n' && !inside)) return CSV_RECORD;
        if (c == ',' && !inside) return CSV_FIELD;
        if (c == '\r' && !inside && peek(r) == '\n') continue;
        if (c == '"' && !inside && !*quoted && bytes->length == 0) {
            inside = *quoted = true;
            continue;
        }
        if (c == '"' && inside && peek(r) != '"') {
            inside = false;
            continue;
        }
        if (c == '"' && inside) take(r);
        else if (*quoted && !inside) return bad(r, "something stands behind a closing quote"), CSV_BAD;
        if (bytes->length >= RECORD_MAX) return bad(r, "a field is longer than %u MiB", RECORD_MAX >> 20), CSV_BAD;
        buffer_add(bytes, (const char[]){(char)c}, 1);
    }
}

static record_result csv_head(record_reader *r) {
    bool quoted;
    csv_end end = CSV_FIELD;
    r->line = r->next;
    if (peek(r) == EOF) return at_end(r) == RECORD_BAD ? RECORD_BAD : bad(r, "the first line has to name the columns");
    while (end == CSV_FIELD) {
        buffer name = {0};
        buffer_add_text(&name, "");
        end = csv_field(r, &name, &quoted);
        ptrdiff_t column = end == CSV_BAD ? -1 : column_of(r, name.data);
        if (end != CSV_BAD && column < 0) {
            bad(r, "the table has no column '%.64s'", name.data);
            end = CSV_BAD;
        }
        for (size_t i = 0; end != CSV_BAD && i < r->n_order; i++) {
            if (r->order[i] != (size_t)column) continue;
            bad(r, "column '%.64s' is named twice", name.data);
            end = CSV_BAD;
        }
        buffer_free(&name);
        if (end != CSV_BAD) r->order[r->n_order++] = (size_t)column;
    }
    return end == CSV_BAD ? RECORD_BAD : RECORD_READ;
}

/* The fields of one line. `*empty`: there is nothing in it. */
static record_result csv_line(record_reader *r, bool *empty) {
    csv_end end = CSV_FIELD;
    size_t n = 0;
    bool quoted;
    *empty = false;
    r->line = r->next;
    if (peek(r) == EOF) return at_end(r);
    for (; end == CSV_FIELD; n++) {
        if (n == r->n_order) return bad(r, "there are more fields than columns in the first line");
        field *f = &r->fields[r->order[n]];
        end = csv_field(r, &f->bytes, &quoted);
        f->state = f->bytes.length || quoted ? FIELD_GIVEN : FIELD_NULL;
        bool hex = !quoted && f->bytes.length >= 2 && memcmp(f->bytes.data, "\\x", 2) == 0;
        if (end != CSV_BAD && hex && !from_hex(&f->bytes, 2)) return bad(r, "\\x is followed by what is no byte in hexadecimal digits");
    }
    if (end == CSV_BAD) return RECORD_BAD;
    *empty = n == 1 && r->n_order > 1 && r->fields[r->order[0]].state == FIELD_NULL;
    return *empty || n == r->n_order ? RECORD_READ : bad(r, "there are %zu fields, and %zu columns in the first line", n, r->n_order);
}

/* A line of nothing is no record, unless there is only one column. */
static record_result csv_record(record_reader *r) {
    bool empty;
    record_result result;
    do result = csv_line(r, &empty);
    while (empty);
    return result;
}

/* ---- JSON ---- */

typedef struct json {
    const char *at, *end;
} json;

static void skip_space(json *j) {
    while (j->at < j->end && strchr(" \t\r\n", *j->at) && *j->at) j->at++;
}

static bool next_is(json *j, char c) {
    skip_space(j);
    if (j->at == j->end || *j->at != c) return false;
    j->at++;
    return true;
}

static bool word_is(json *j, const char *word) {
    size_t length = strlen(word);
    if ((size_t)(j->end - j->at) < length || memcmp(j->at, word, length) != 0) return false;
    j->at += length;
    return true;
}

/* Four hexadecimal digits, or -1. */
static long four(json *j) {
    long code = 0;
    if (j->end - j->at < 4) return -1;
    for (int i = 0; i < 4; i++) {
        int d = digit(*j->at++);
        if (d < 0) return -1;
        code = code << 4 | d;
    }
    return code;
}

static void add_character(buffer *b, unsigned long c) {
    char out[4];
    size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    static const unsigned char heads[] = {0, 0, 0xC0, 0xE0, 0xF0};
    for (size_t i = n - 1; i > 0; i--, c >>= 6) out[i] = (char)(0x80 | (c & 0x3F));
    out[0] = (char)(heads[n] | c);
    buffer_add(b, out, n);
}

/* What stands behind \u. */
static bool unicode(json *j, buffer *out) {
    long code = four(j);
    if (code < 0 || (code >= 0xDC00 && code < 0xE000)) return false;
    if (code >= 0xD800 && code < 0xDC00) {
        long low = word_is(j, "\\u") ? four(j) : -1;
        if (low < 0xDC00 || low >= 0xE000) return false;
        code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
    }
    add_character(out, (unsigned long)code);
    return true;
}

/* A string from its opening quote. */
static bool json_string(json *j, buffer *out) {
    static const char names[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
    if (!next_is(j, '"')) return false;
    while (j->at < j->end) {
        char c = *j->at++;
        if (c == '"') return true;
        if ((unsigned char)c < ' ') return false;
        if (c != '\\') {
            buffer_add(out, &c, 1);
            continue;
        }
        if (j->at == j->end) return false;
        c = *j->at++;
        const char *name = c ? strchr(names, c) : NULL;
        if (c == 'u' ? !unicode(j, out) : !name) return false;
        if (c != 'u') buffer_add(out, &meant[name - names], 1);
    }
    return false;
}

/* {"hex": "..."} from behind its brace. */
static bool json_bytes(json *j, buffer *out) {
    buffer name = {0};
    buffer_add_text(&name, "");
    bool good = json_string(j, &name) && strcmp(name.data, "hex") == 0 && next_is(j, ':') && json_string(j, out) &&
                next_is(j, '}') && from_hex(out, 0);
    buffer_free(&name);
    return good;
}

static bool json_value(json *j, field *f) {
    f->state = FIELD_GIVEN;
    skip_space(j);
    if (word_is(j, "null")) return f->state = FIELD_NULL, true;
    if (word_is(j, "true")) return buffer_add_text(&f->bytes, "1"), true;
    if (word_is(j, "false")) return buffer_add_text(&f->bytes, "0"), true;
    if (j->at < j->end && *j->at == '"') return json_string(j, &f->bytes);
    if (next_is(j, '{')) return json_bytes(j, &f->bytes);
    const char *from = j->at;
    while (j->at < j->end && (isalnum((unsigned char)*j->at) || (*j->at && strchr("+-.", *j->at)))) j->at++;
    buffer_add(&f->bytes, from, (size_t)(j->at - from));
    return j->at > from && (*from == '-' || isdigit((unsigned char)*from));
}

static record_result json_members(record_reader *r, json *j) {
    buffer name = {0};
    record_result result = RECORD_READ;
    buffer_add_text(&name, "");
    bool more = next_is(j, '{') && !next_is(j, '}');
    if (!more) result = bad(r, "it is no object of JSON with names and values");
    while (more) {
        name.length = 0;
        more = false;
        ptrdiff_t column = -1;
        if (!json_string(j, &name) || !next_is(j, ':'))
            result = bad(r, "it is no object of JSON");
        else if ((column = column_of(r, name.data)) < 0)
            result = bad(r, "the table has no column '%.64s'", name.data);
        else if (r->fields[column].state != FIELD_ABSENT)
            result = bad(r, "column '%.64s' is given twice", name.data);
        else if (!json_value(j, &r->fields[column]))
            result = bad(r, "the value of '%.64s' is no text, number, null or {\"hex\": ...}", name.data);
        else if (next_is(j, ','))
            more = true;
        else if (!next_is(j, '}'))
            result = bad(r, "it is no object of JSON");
    }
    skip_space(j);
    if (result == RECORD_READ && j->at != j->end) result = bad(r, "something stands behind the object");
    buffer_free(&name);
    return result;
}

static record_result json_record(record_reader *r) {
    buffer line = {0};
    int c;
    record_result result;
    buffer_add_text(&line, "");
    do {
        line.length = 0;
        r->line = r->next;
        while ((c = take(r)) != EOF && c != '\n' && line.length < RECORD_MAX) buffer_add(&line, (const char[]){(char)c}, 1);
        line.data[line.length] = '\0';
    } while (c != EOF && line.data[strspn(line.data, " \t\r")] == '\0' && strlen(line.data) == line.length);
    json j = {line.data, line.data + line.length};
    if (line.length >= RECORD_MAX)
        result = bad(r, "it is longer than %u MiB", RECORD_MAX >> 20);
    else if (c == EOF && line.data[strspn(line.data, " \t\r")] == '\0')
        result = at_end(r);
    else if (!is_utf8(line.data, line.length))
        result = bad(r, "it is no UTF-8");
    else
        result = json_members(r, &j);
    buffer_free(&line);
    return result;
}

record_result records_begin(record_reader *r, FILE *file, record_format format, const offline_table *t) {
    *r = (record_reader){.file = file, .format = format, .table = t, .line = 1, .next = 1};
    r->fields = must_alloc(t->n_columns * sizeof *r->fields);
    r->order = must_alloc(t->n_columns * sizeof *r->order);
    return format == RECORDS_CSV ? csv_head(r) : RECORD_READ;
}

record_result records_read(record_reader *r) {
    clear(r);
    return r->format == RECORDS_CSV ? csv_record(r) : json_record(r);
}

void records_end(record_reader *r) {
    for (size_t i = 0; i < r->table->n_columns; i++) buffer_free(&r->fields[i].bytes);
    free(r->fields);
    free(r->order);
}
