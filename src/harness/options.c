/*
 * options.c - the command line.
 *
 * Options of the host itself are listed in a table.  Every other `--name[=value]` is a system
 * variable: `daemon_memcached_...` waits for the plugin, the rest belongs to the engine, which
 * refuses what it does not know when it is opened.
 */
#include "host.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char usage[] =
    "Usage: " HOST_NAME " [OPTION]...\n"
    "       " HOST_NAME " passwd NAME [RIGHTS]   print a line for the users file of option -Y\n"
    "Serves memcached's protocol in front of tables of the bundled engine.\n"
    "\n"
    "Data\n"
    "  --datadir=DIR         where the data lives, created if missing (default ./data)\n"
    "  --plugin-dir=DIR      where INSTALL PLUGIN looks (default: the folder of this program)\n"
    "  --wait-for-datadir=N  a standby: wait up to N seconds while another process has the data\n"
    "                        directory open, then recover and serve (default 0: refuse at once)\n"
    "  --init-file=FILE      SQL to run at every start, after the plugins are loaded\n"
    "  --no-defaults-sql     first start: create no configuration tables, install no plugin\n"
    "\n"
    "MySQL clients\n"
    "  -P, --port=N          on this TCP port (default 13306, 0: any free one)\n"
    "  --bind-address=IP     where that port is (default 127.0.0.1)\n"
    "  --skip-networking     no TCP port\n"
    "  -S, --socket=PATH     on this UNIX socket (default memcached-host.sock in the data directory;\n"
    "                        empty: none)\n"
    "\n"
    "Other\n"
    "  --defaults-file=FILE  options of the group [" HOST_NAME "] of a file, a line `name = value` each;\n"
    "                        options behind it on the command line win\n"
    "  -e, --execute=SQL     run SQL, print its results as `mysql --batch` does, stop;\n"
    "                        exit status 1 if a statement failed\n"
    "  --ping[=ADDRESS]      ask whether a server of memcached's protocol answers at HOST:PORT or /PATH\n"
    "                        (default 127.0.0.1:11211); exit status 1 if not\n"
    "  -h, --help            this text\n"
    "  -V, --version         the version\n"
    "\n"
    "System variables of the engine and the plugin are options too, with - or _ in the name:\n"
    "  --innodb-flush-log-at-trx-commit=2\n"
    "  --daemon-memcached-option=\"-p 11211 -t 4\"\n"
    "SHOW VARIABLES lists them.\n"
    "\n"
    "SQL is read from standard input; on a terminal there is a prompt.  SIGTERM and SIGINT stop\n"
    "the program; SIGHUP reads the containers again.\n";

#define PLUGIN_PREFIX DM_PLUGIN_NAME "_"

static options_result bad(const char *format, ...) __attribute__((format(printf, 1, 2)));
static options_result bad(const char *format, ...) {
    va_list args;
    fputs(HOST_NAME ": ", stderr);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    return OPTIONS_BAD;
}

static void replace(char **slot, const char *value) {
    char *copy = must_copy(value);
    free(*slot);
    *slot = copy;
}

static void set_plugin_variable(host_options *o, const char *name, const char *value, bool is_default) {
    option_value **at = &o->plugin_vars;
    while (*at && strcmp((*at)->name, name) != 0) at = &(*at)->next;
    if (!*at) {
        *at = must_alloc(sizeof **at);
        (*at)->name = must_copy(name);
    }
    free((*at)->value);
    (*at)->value = value ? must_copy(value) : NULL;
    (*at)->is_default = is_default;
}

/* The folder of this program. */
static char *own_folder(void) {
    char path[4096];
    ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
    if (length <= 0) return must_copy(".");
    path[length] = '\0';
    char *slash = strrchr(path, '/');
    if (slash) slash[slash == path ? 1 : 0] = '\0';
    return must_copy(path);
}

/* `name` with '_' for '-' and in lower case. */
static char *normalized(const char *name, size_t length) {
    char *copy = must_alloc(length + 1);
    for (size_t i = 0; i < length; i++) copy[i] = name[i] == '-' ? '_' : (char)tolower((unsigned char)name[i]);
    return copy;
}

static options_result set_variable(host_options *o, const char *name, const char *value, const char *argument) {
    if (strncmp(name, PLUGIN_PREFIX, sizeof PLUGIN_PREFIX - 1) == 0) {
        set_plugin_variable(o, name, value, false);
        return OPTIONS_RUN;
    }
    if (strncmp(name, "innodb_", 7) != 0 && strncmp(name, "refengine_", 10) != 0)
        return bad("unknown option '%s'; see --help", argument);
    if (value && strchr(value, '\n')) return bad("the value of option '--%s' must not contain a line end", name);
    buffer_add_text(&o->engine, name);
    buffer_add_text(&o->engine, "=");
    buffer_add_text(&o->engine, value ? value : "ON");
    buffer_add_text(&o->engine, "\n");
    return OPTIONS_RUN;
}

/* An option whose argument may follow as the next word. */
typedef struct word_option {
    char short_name; /* 0: none */
    const char *name;
    size_t slot; /* offset of the char * in host_options */
} word_option;
static const word_option word_options[] = {
    {0, "datadir", offsetof(host_options, datadir)},
    {0, "plugin_dir", offsetof(host_options, plugin_dir)},
    {0, "wait_for_datadir", offsetof(host_options, wait_for_datadir)},
    {0, "init_file", offsetof(host_options, init_file)},
    {'e', "execute", offsetof(host_options, execute)},
    {'P', "port", offsetof(host_options, port)},
    {0, "bind_address", offsetof(host_options, bind_address)},
    {'S', "socket", offsetof(host_options, socket)},
};

static const word_option *find_word_option(const char *name, char short_name) {
    for (size_t i = 0; i < sizeof word_options / sizeof *word_options; i++) {
        const word_option *w = &word_options[i];
        if (name ? strcmp(w->name, name) == 0 : w->short_name == short_name) return w;
    }
    return NULL;
}

static bool may_be_empty(const word_option *word) {
    return word->slot == offsetof(host_options, execute) || word->slot == offsetof(host_options, socket);
}

static options_result defaults_file(host_options *o, const char *path);

/* One `--name[=value]`. */
static options_result long_option(host_options *o, const char *argument, char ***next) {
    const char *text = argument + 2;
    const char *equals = strchr(text, '=');
    const char *value = equals ? equals + 1 : NULL;
    char *name = normalized(text, equals ? (size_t)(equals - text) : strlen(text));
    options_result result = OPTIONS_RUN;
    const word_option *word = find_word_option(name, 0);
    if (word) {
        if (!value) value = **next ? *(*next)++ : NULL;
        if (!value || (!*value && !may_be_empty(word)))
            result = bad("option '--%.*s' needs a value", (int)(equals ? equals - text : (ptrdiff_t)strlen(text)), text);
        else
            replace((char **)((char *)o + word->slot), value);
    } else if (strcmp(name, "no_defaults_sql") == 0) {
        if (value) result = bad("option '--no-defaults-sql' takes no value");
        o->no_defaults_sql = true;
    } else if (strcmp(name, "skip_networking") == 0) {
        if (value) result = bad("option '--skip-networking' takes no value");
        o->skip_networking = true;
    } else if (strcmp(name, "defaults_file") == 0) {
        if (!value) value = **next ? *(*next)++ : NULL;
        result = value && *value ? defaults_file(o, value) : bad("option '--defaults-file' needs a value");
    } else if (strcmp(name, "ping") == 0) {
        result = ping(value ? value : "127.0.0.1:11211") ? OPTIONS_EXIT : OPTIONS_BAD;
    } else if (strcmp(name, "help") == 0) {
        fputs(usage, stdout);
        result = OPTIONS_EXIT;
    } else if (strcmp(name, "version") == 0) {
        puts(HOST_NAME " " HOST_VERSION);
        result = OPTIONS_EXIT;
    } else {
        result = set_variable(o, name, value, argument);
    }
    free(name);
    return result;
}

static bool is_blank(char c) {
    return c == ' ' || c == '\t' || c == '\r';
}

/* A line without the blanks around it, cut in place. */
static char *trimmed(char *line) {
    while (is_blank(*line)) line++;
    size_t length = strlen(line);
    while (length && is_blank(line[length - 1])) line[--length] = '\0';
    return line;
}

/* One line `name`, `name = value` or `name = "value"` of a file. */
static options_result file_option(host_options *o, char *line) {
    char *value = strchr(line, '=');
    if (value) {
        *value = '\0';
        value = trimmed(value + 1);
        size_t length = strlen(value);
        if (length >= 2 && (*value == '"' || *value == '\'') && value[length - 1] == *value) {
            value[length - 1] = '\0';
            value++;
        }
    }
    char *none = NULL, **next = &none;
    char *argument = must_format("--%s%s%s", trimmed(line), value ? "=" : "", value ? value : "");
    options_result result = long_option(o, argument, &next);
    free(argument);
    return result;
}

/* The group of this program in a file in the manner of my.cnf. */
static options_result defaults_file(host_options *o, const char *path) {
    size_t length;
    char *text = read_file(path, &length), *rest = text, *line;
    if (!text) return bad("cannot read the option file '%s': %s", path, strerror(errno));
    bool ours = false;
    int number = 0;
    options_result result = OPTIONS_RUN;
    while (result == OPTIONS_RUN && (line = strsep(&rest, "\n"))) {
        number++;
        line = trimmed(line);
        if (*line == '[')
            ours = strcmp(line, "[" HOST_NAME "]") == 0;
        else if (ours && *line && *line != '#' && *line != ';')
            result = file_option(o, line);
    }
    if (result == OPTIONS_BAD) bad("that is line %d of '%s'", number, path);
    free(text);
    return result;
}

/* One `-x [value]` or `-xvalue`. */
static options_result short_option(host_options *o, const char *argument, char ***next) {
    if (strcmp(argument, "-h") == 0 || strcmp(argument, "-?") == 0) return long_option(o, "--help", next);
    if (strcmp(argument, "-V") == 0) return long_option(o, "--version", next);
    const word_option *word = argument[1] ? find_word_option(NULL, argument[1]) : NULL;
    if (!word) return bad("unknown option '%s'; see --help", argument);
    const char *value = argument[2] ? argument + 2 : **next ? *(*next)++ : NULL;
    if (!value) return bad("option '%s' needs a value", argument);
    replace((char **)((char *)o + word->slot), value);
    return OPTIONS_RUN;
}

/* Decimal digits, at most nine of them, up to `max`. */
static bool is_number(const char *text, long max) {
    size_t length = strlen(text);
    return length > 0 && length <= 9 && strspn(text, "0123456789") == length && atol(text) <= max;
}

options_result options_parse(host_options *o, int argc, char **argv) {
    *o = (host_options){.datadir = must_copy("./data"),
                        .plugin_dir = own_folder(),
                        .bind_address = must_copy("127.0.0.1"),
                        .port = must_copy("13306"),
                        .wait_for_datadir = must_copy("0")};
    set_plugin_variable(o, PLUGIN_PREFIX "option", "-p 11211", true);
    set_plugin_variable(o, PLUGIN_PREFIX "expire_sweep_interval", "60", true);
    buffer_add_text(&o->engine, "");
    char **next = argv + (argc > 0);
    while (*next) {
        const char *argument = *next++;
        options_result result = OPTIONS_RUN;
        if (strncmp(argument, "--", 2) == 0 && argument[2])
            result = long_option(o, argument, &next);
        else if (argument[0] == '-')
            result = short_option(o, argument, &next);
        else
            result = bad("unexpected argument '%s'; see --help", argument);
        if (result != OPTIONS_RUN) return result;
    }
    if (!is_number(o->port, 65535)) return bad("option '--port' takes a number from 0 to 65535, not '%s'", o->port);
    if (!is_number(o->wait_for_datadir, 999999999))
        return bad("option '--wait-for-datadir' takes seconds from 0 to 999999999, not '%s'", o->wait_for_datadir);
    return OPTIONS_RUN;
}

void options_free(host_options *o) {
    free(o->datadir);
    free(o->plugin_dir);
    free(o->wait_for_datadir);
    free(o->init_file);
    free(o->execute);
    free(o->bind_address);
    free(o->port);
    free(o->socket);
    buffer_free(&o->engine);
    while (o->plugin_vars) {
        option_value *v = o->plugin_vars;
        o->plugin_vars = v->next;
        free(v->name);
        free(v->value);
        free(v);
    }
}
