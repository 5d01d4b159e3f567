/*
 * options.c - the command line and the file of --defaults-file.
 *
 * Options of the host itself are listed in tables.  Every other `--name[=value]` is a system
 * variable: `daemon_memcached_...` waits for the plugin, the rest belongs to the engine, which
 * refuses what it does not know when it is opened.
 */
#include "host.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

static const char usage[] =
    "Usage: " HOST_NAME " [OPTION]...\n"
    "       " HOST_NAME " COMMAND [ARGUMENT]...\n"
    "Serves memcached's protocol in front of tables of the bundled engine.\n"
    "\n"
    "Commands\n"
    "  passwd NAME [RIGHTS]  print a line for the users file of option -Y\n"
    "  check DIR             read every table of a data directory, its checksums and indexes; exit\n"
    "                        status 1 if one is damaged\n"
    "  dump [--csv] DIR TABLE [FILE]\n"
    "                        the rows of DATABASE.TABLE or of a container as lines of JSON, or CSV\n"
    "  load [--csv] DIR TABLE [FILE]\n"
    "                        rows of such a file into the table; those that are there are changed\n"
    "  check, dump and load need a data directory that no server has open.\n"
    "\n"
    "Data\n"
    "  --datadir=DIR         where the data lives, created if missing (default ./data)\n"
    "  --plugin-dir=DIR      where INSTALL PLUGIN looks (default: the folder of this program)\n"
    "  --wait-for-datadir=N  a standby: wait up to N seconds while another process has the data\n"
    "                        directory open, then recover and serve (default 0: refuse at once)\n"
    "  --init-file=FILE      SQL to run at every start, after the plugins are loaded\n"
    "  --no-defaults-sql     first start: create no configuration tables, install no plugin\n"
    "  --keep-running        start even if the plugin of an earlier start cannot be loaded\n"
    "\n"
    "MySQL clients\n"
    "  -P, --port=N          on this TCP port (default 13306, 0: any free one)\n"
    "  --bind-address=IP     where that port is (default 127.0.0.1)\n"
    "  --skip-networking     no TCP port\n"
    "  --ssl-cert=FILE       certificate chain in PEM, and\n"
    "  --ssl-key=FILE        its private key: MySQL clients may use TLS\n"
    "  -S, --socket=PATH     on this UNIX socket (default memcached-host.sock in the data directory;\n"
    "                        empty: none)\n"
    "\n"
    "Operation\n"
    "  --defaults-file=FILE  options from its sections [" HOST_NAME "] and [mysqld]; must come first\n"
    "  --log-error=FILE      the log goes there instead of standard error\n"
    "  --pid-file=FILE       holds the number of the process while it serves\n"
    "\n"
    "Instead of serving\n"
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
    "the program; SIGHUP opens the log anew and reads the certificates again.\n";

#define PLUGIN_PREFIX DM_PLUGIN_NAME "_"

#define bad(...) (print_error(__VA_ARGS__), OPTIONS_BAD)

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

/* The bytes of a size such as 64M, as digits; NULL if `value` is something else.  Free the result. */
static char *plain_size(const char *value) {
    char *end;
    if (!isdigit((unsigned char)*value)) return NULL;
    errno = 0;
    unsigned long long number = strtoull(value, &end, 10);
    const char *suffix = *end ? strchr("kmgt", tolower((unsigned char)*end)) : NULL;
    int shift = !suffix ? 0 : *suffix == 'k' ? 10 : *suffix == 'm' ? 20 : *suffix == 'g' ? 30 : 40;
    if (!shift || end[1] || errno || number > ULLONG_MAX >> shift) return NULL;
    return must_format("%llu", number << shift);
}

static options_result set_variable(host_options *o, const char *name, const char *value, const char *argument) {
    if (strncmp(name, PLUGIN_PREFIX, sizeof PLUGIN_PREFIX - 1) == 0) {
        set_plugin_variable(o, name, value, false);
        return OPTIONS_RUN;
    }
    const char *engines = name + (strncmp(name, "loose_", 6) == 0 ? 6 : 0);
    if (strncmp(engines, "innodb_", 7) != 0 && strncmp(engines, "refengine_", 10) != 0)
        return bad("unknown option '%s'; see --help", argument);
    if (value && strchr(value, '\n')) return bad("the value of option '--%s' must not contain a line end", name);
    char *size = value ? plain_size(value) : NULL;
    buffer_add_text(&o->engine, name);
    buffer_add_text(&o->engine, "=");
    buffer_add_text(&o->engine, size ? size : value ? value : "ON");
    buffer_add_text(&o->engine, "\n");
    free(size);
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
    {0, "ssl_cert", offsetof(host_options, ssl_cert)},
    {0, "ssl_key", offsetof(host_options, ssl_key)},
    {0, "pid_file", offsetof(host_options, pid_file)},
    {0, "log_error", offsetof(host_options, log_error)},
};

/* An option that is on when it is given. */
typedef struct switch_option {
    const char *name;
    size_t slot; /* offset of the bool in host_options */
} switch_option;
static const switch_option switch_options[] = {
    {"no_defaults_sql", offsetof(host_options, no_defaults_sql)},
    {"skip_networking", offsetof(host_options, skip_networking)},
    {"keep_running", offsetof(host_options, keep_running)},
};

static const switch_option *find_switch(const char *name) {
    for (size_t i = 0; i < sizeof switch_options / sizeof *switch_options; i++)
        if (strcmp(switch_options[i].name, name) == 0) return &switch_options[i];
    return NULL;
}

static options_result set_switch(host_options *o, const switch_option *option, const char *value, const char *argument) {
    bool on = true;
    if (value && (strcasecmp(value, "OFF") == 0 || strcmp(value, "0") == 0))
        on = false;
    else if (value && strcasecmp(value, "ON") != 0 && strcmp(value, "1") != 0)
        return bad("option '%s' takes ON, OFF or no value", argument);
    *(bool *)((char *)o + option->slot) = on;
    return OPTIONS_RUN;
}

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
    } else if (find_switch(name)) {
        result = set_switch(o, find_switch(name), value, argument);
    } else if (strcmp(name, "defaults_file") == 0) {
        result = bad("option '--defaults-file' must be the first one, as --defaults-file=FILE");
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

/* ---- the options file ---- */

static const char *const own_section = HOST_NAME;

/* Cuts spaces off both ends, in place. */
static char *trimmed(char *text) {
    while (isspace((unsigned char)*text)) text++;
    size_t length = strlen(text);
    while (length && isspace((unsigned char)text[length - 1])) text[--length] = '\0';
    return text;
}

/* `name`, `name = value` or `name = "value"`. */
static options_result file_option(host_options *o, char *line, bool own) {
    char *equals = strchr(line, '='), *value = equals ? trimmed(equals + 1) : NULL;
    if (equals) *equals = '\0';
    size_t length = value ? strlen(value) : 0;
    if (length > 1 && (*value == '"' || *value == '\'') && value[length - 1] == *value) {
        value[length - 1] = '\0';
        value++;
    }
    char *name = trimmed(line);
    char *known = normalized(name, strlen(name));
    /* MySQL's section is written for a server with many more options. */
    bool engines = strncmp(known, "innodb_", 7) == 0;
    bool mine = find_word_option(known, 0) || find_switch(known) || engines ||
                strncmp(known, PLUGIN_PREFIX, sizeof PLUGIN_PREFIX - 1) == 0;
    options_result result = OPTIONS_RUN;
    if (!mine && !own) {
        log_line(LOG_WARNING, "DM3008: Option '%s' of section [mysqld] is not known here and left out", name);
    } else {
        const char *loose = engines && !own ? "loose_" : "";
        char *argument = value ? must_format("--%s%s=%s", loose, name, value) : must_format("--%s%s", loose, name);
        char *none[] = {NULL}, **next = none;
        result = long_option(o, argument, &next);
        if (result == OPTIONS_EXIT) result = bad("option '%s' has no place in a file", name);
        free(argument);
    }
    free(known);
    return result;
}

/* Lines of `[section]`, options, and comments that begin with # or ;. */
static options_result read_options_file(host_options *o, const char *path) {
    size_t length;
    char *text = read_file(path, &length), *rest = text;
    if (!text) return bad("cannot read options file '%s': %s", path, strerror(errno));
    options_result result = OPTIONS_RUN;
    bool own = false, mysqld = false;
    for (unsigned int number = 1; rest && result == OPTIONS_RUN; number++) {
        char *line = trimmed(strsep(&rest, "\n"));
        if (!*line || *line == '#' || *line == ';') continue;
        if (*line == '[') {
            line[strcspn(line, "]")] = '\0';
            own = strcmp(line + 1, own_section) == 0;
            mysqld = strcmp(line + 1, "mysqld") == 0;
        } else if (*line == '!') {
            result = bad("options file '%s', line %u: name other files with options of their own, not with '%s'", path,
                         number, line);
        } else if (own || mysqld) {
            result = file_option(o, line, own);
            if (result == OPTIONS_BAD) fprintf(stderr, "    in options file '%s', line %u\n", path, number);
        }
    }
    free(text);
    return result;
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
    static const char file[] = "--defaults-file=";
    if (*next && strncmp(*next, file, sizeof file - 1) == 0) {
        options_result result = read_options_file(o, *next++ + sizeof file - 1);
        if (result != OPTIONS_RUN) return result;
    } else if (*next && strcmp(*next, "--no-defaults") == 0) {
        next++; /* no file is read unless it is named */
    }
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
    free(o->ssl_cert);
    free(o->ssl_key);
    free(o->pid_file);
    free(o->log_error);
    buffer_free(&o->engine);
    while (o->plugin_vars) {
        option_value *v = o->plugin_vars;
        o->plugin_vars = v->next;
        free(v->name);
        free(v->value);
        free(v);
    }
}
