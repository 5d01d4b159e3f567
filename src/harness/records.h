/*
 * records.h - rows as text, for dump and load: CSV, or a JSON object in each line.
 *
 * CSV is that of RFC 4180 with the names of the columns in the first line.  NULL is an empty field, an empty text "";
 * a field that begins with \x is bytes in hexadecimal digits.
 * JSON has null, numbers for integers and strings for text; {"hex": "00FF"} is bytes.
 * Bytes are written so where they are no text: no UTF-8, for CSV with a NUL in it or with \x in front.
 */
#ifndef MEMCACHED_HOST_RECORDS_H
#define MEMCACHED_HOST_RECORDS_H

#include "host.h"

typedef enum record_format { RECORDS_JSON, RECORDS_CSV } record_format;

/* What stands in front of the records. */
void records_write_head(FILE *file, record_format format, const offline_table *t);
/* One row, as the engine reports it. */
void records_write(FILE *file, record_format format, const offline_table *t, const refengine_report_t *row);

typedef enum field_state { FIELD_ABSENT, FIELD_NULL, FIELD_GIVEN } field_state;
typedef struct field {
    field_state state;
    buffer bytes;
} field;

typedef struct record_reader {
    FILE *file;
    record_format format;
    const offline_table *table;
    uint64_t line; /* where the record began that was read last, from 1 */
    uint64_t next; /* the line that is read next */
    uint64_t taken; /* bytes */
    size_t *order, n_order; /* CSV: the column of each field */
    field *fields;  /* of the record that was read last, by column */
    char reason[256]; /* why it cannot be read */
} record_reader;

typedef enum record_result { RECORD_READ, RECORD_END, RECORD_BAD } record_result;

/* Reads what stands in front of the records.  RECORD_READ, or why not. */
record_result records_begin(record_reader *r, FILE *file, record_format format, const offline_table *t);
record_result records_read(record_reader *r);
void records_end(record_reader *r);

/* The arguments of dump and load. */
typedef struct transfer {
    record_format format;
    const char *datadir, *table;
    const char *path; /* NULL: standard output, standard input */
} transfer;
/* False: a message was printed. */
bool transfer_arguments(const char *command, int argc, char **argv, transfer *t);

bool is_utf8(const char *bytes, size_t length);
void add_hex(buffer *b, const char *bytes, size_t length);

#endif
