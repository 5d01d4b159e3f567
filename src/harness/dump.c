/* dump.c - `memcached-host dump [--csv] DIR TABLE [FILE]`: the rows of a table as text. */
#include "records.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool transfer_arguments(const char *command, int argc, char **argv, transfer *t) {
    *t = (transfer){.format = RECORDS_JSON};
    while (argc && argv[0][0] == '-' && argv[0][1]) {
        if (strcmp(*argv, "--csv") == 0)
            t->format = RECORDS_CSV;
        else if (strcmp(*argv, "--json") != 0)
            return print_error("%s does not know the option '%s'; there are --csv and --json", command, *argv);
        argc--;
        argv++;
    }
    if (argc < 2 || argc > 3)
        return print_error("usage: " HOST_NAME " %s [--csv | --json] DIR TABLE [FILE]\n"
                                "TABLE is DATABASE.TABLE or the name of a container", command);
    t->datadir = argv[0];
    t->table = argv[1];
    t->path = argc == 3 && strcmp(argv[2], "-") != 0 ? argv[2] : NULL;
    return true;
}

typedef struct dumper {
    FILE *file;
    record_format format;
    const offline_table *table;
    progress bar;
    uint64_t rows, all;
} dumper;

static int take_count(void *arg, const refengine_report_t *r) {
    dumper *d = arg;
    if (r->event == REFENGINE_ROW) d->all = strtoull(r->values[0], NULL, 10);
    return 0;
}

static int take_row(void *arg, const refengine_report_t *r) {
    dumper *d = arg;
    if (r->event != REFENGINE_ROW) return 0;
    records_write(d->file, d->format, d->table, r);
    d->rows++;
    if (d->rows % 64 == 0) progress_show(&d->bar, d->rows, d->all, d->rows);
    return ferror(d->file);
}

static bool write_rows(offline *o, dumper *d) {
    buffer sql = {0};
    bool done = true;
    progress_start(&d->bar);
    if (d->bar.on) {
        buffer_add_text(&sql, "SELECT COUNT(*) FROM ");
        buffer_add_text(&sql, d->table->name);
        done = offline_query(o, sql.data, take_count, d);
        sql.length = 0;
    }
    records_write_head(d->file, d->format, d->table);
    buffer_add_text(&sql, "SELECT * FROM ");
    buffer_add_text(&sql, d->table->name);
    if (done && refengine_execute(o->session, sql.data, sql.length, take_row, d) != REFENGINE_OK) {
        done = ferror(d->file) != 0; /* said below */
        if (!done) print_error("%s", refengine_last_error(o->session));
    }
    if (done) progress_show(&d->bar, d->all, d->all, d->rows);
    progress_end(&d->bar);
    buffer_free(&sql);
    return done;
}

/* The file gets its name when it is whole and on disk. */
static bool to_file(offline *o, dumper *d, const char *path) {
    char *fresh = must_format("%s.new", path);
    d->file = fopen(fresh, "we");
    bool done = d->file || print_error("cannot create '%s': %s", fresh, strerror(errno));
    if (done) {
        done = write_rows(o, d);
        bool written = fflush(d->file) == 0 && !ferror(d->file) && fsync(fileno(d->file)) == 0;
        int reason = errno;
        written = fclose(d->file) == 0 && written;
        if (done && (!written || rename(fresh, path) != 0))
            done = print_error("cannot write '%s': %s", path, strerror(written ? errno : reason));
        if (!done) unlink(fresh);
    }
    free(fresh);
    return done;
}

bool dump_table(int argc, char **argv) {
    transfer t;
    offline o = {0};
    offline_table table = {0};
    if (!transfer_arguments("dump", argc, argv, &t) || !offline_open(&o, t.datadir)) return false;
    bool done = offline_find(&o, t.table, &table);
    dumper d = {.file = stdout, .format = t.format, .table = &table};
    if (done && t.path)
        done = to_file(&o, &d, t.path);
    else if (done)
        done = write_rows(&o, &d) &&
               ((fflush(stdout) == 0 && !ferror(stdout)) || print_error("cannot write to standard output: %s", strerror(errno)));
    offline_forget(&table);
    offline_close(&o);
    if (done) fprintf(stderr, HOST_NAME ": %llu rows were dumped\n", (unsigned long long)d.rows);
    return done;
}
