/*
 * edit.c - line editing and history on the console's terminal.
 *
 * Done by libedit where it is installed (Debian: libedit2, which the clients of MariaDB and MySQL bring along); it is looked for
 * when the prompt first appears, so that the program needs it neither to be built nor to run.  Without it the terminal's own
 * line discipline has to do.  Everything here belongs to the console's thread.
 */
#include "host.h"

#include <dlfcn.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { HISTORY_LINES = 1000 };

/* libedit's functions, as editline/readline.h declares them. */
static struct {
    void (*install)(const char *prompt, void (*line)(char *));
    void (*remove)(void);
    void (*read_char)(void);
    int (*add_history)(const char *line);
    int (*read_history)(const char *path);
    int (*write_history)(const char *path);
    void (*stifle_history)(int lines);
    void (*using_history)(void);
    int *end; /* of the line that is typed */
} edit;

static void (*take)(const char *line, void *arg);
static void *take_arg;
static char *history; /* NULL: not kept */

/* What says a password is not kept. */
static bool is_secret(const char *line) { return strcasestr(line, "IDENTIFIED") || strcasestr(line, "PASSWORD"); }

static void line_done(char *line) {
    if (line && *line && !is_secret(line)) edit.add_history(line);
    take(line, take_arg);
    free(line);
}

static bool find_library(void) {
    void *library = dlopen("libedit.so.2", RTLD_NOW | RTLD_LOCAL);
    if (!library) return false;
    const struct {
        const char *name;
        void *slot;
    } wanted[] = {{"rl_callback_handler_install", &edit.install}, {"rl_callback_handler_remove", &edit.remove},
                  {"rl_callback_read_char", &edit.read_char},     {"add_history", &edit.add_history},
                  {"read_history", &edit.read_history},           {"write_history", &edit.write_history},
                  {"stifle_history", &edit.stifle_history},       {"using_history", &edit.using_history},
                  {"rl_end", &edit.end}};
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        void *found = dlsym(library, wanted[i].name);
        if (!found) {
            dlclose(library);
            return false;
        }
        memcpy(wanted[i].slot, &found, sizeof found);
    }
    return true;
}

bool edit_start(void (*line)(const char *line, void *arg), void *arg) {
    if (!find_library()) return false;
    take = line;
    take_arg = arg;
    /* Statements are UTF-8; nothing else of the program depends on the kind of its characters. */
    if (!setlocale(LC_CTYPE, "") || MB_CUR_MAX == 1) setlocale(LC_CTYPE, "C.UTF-8");
    const char *home = getenv("HOME");
    edit.using_history();
    edit.stifle_history(HISTORY_LINES);
    if (home && *home) {
        history = must_format("%s/.memcached_host_history", home);
        edit.read_history(history);
    }
    return true;
}

void edit_prompt(const char *prompt) { edit.install(prompt, line_done); }

void edit_read(void) { edit.read_char(); }

bool edit_has_text(void) { return *edit.end > 0; }

void edit_pause(void) { edit.remove(); }

void edit_stop(void) {
    edit.remove();
    if (!history) return;
    edit.write_history(history);
    chmod(history, S_IRUSR | S_IWUSR);
    free(history);
    history = NULL;
}
