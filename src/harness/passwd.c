/*
 * passwd.c - `memcached-host passwd NAME [RIGHTS]`: a line for the users file of option -Y.
 *
 * The password comes from the terminal, twice and unseen, or as the first line of standard input.  It
 * is never an argument: those are visible to everybody on the machine.
 */
#include "host.h"

#include <signal.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "daemon_memcached.h"

enum { PASSWORD_SIZE = 1024, LINE_SIZE = 8192 };

static bool complain(const char *message) {
    fprintf(stderr, HOST_NAME ": %s\n", message);
    return false;
}

/* One line of standard input without its end. */
static bool read_line(char *line) {
    if (!fgets(line, PASSWORD_SIZE, stdin)) return complain("no password was given on standard input");
    size_t length = strcspn(line, "\r\n");
    if (!line[length] && !feof(stdin)) return complain("the password is too long, or holds a NUL");
    line[length] = '\0';
    return true;
}

static bool ask(const char *prompt, char *line) {
    fputs(prompt, stderr);
    bool good = read_line(line);
    fputc('\n', stderr);
    return good;
}

/* Echo is off while it reads; an interrupt from the keyboard waits until it is on again. */
static bool read_password(char *password) {
    struct termios before, unseen;
    if (!isatty(STDIN_FILENO) || tcgetattr(STDIN_FILENO, &before) != 0) return read_line(password);
    sigset_t keyboard, mask;
    sigemptyset(&keyboard);
    sigaddset(&keyboard, SIGINT);
    sigaddset(&keyboard, SIGQUIT);
    sigaddset(&keyboard, SIGTSTP);
    sigprocmask(SIG_BLOCK, &keyboard, &mask);
    unseen = before;
    unseen.c_lflag &= ~(tcflag_t)ECHO;
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &unseen);
    char again[PASSWORD_SIZE] = "";
    bool good = ask("Password: ", password) && ask("Again: ", again);
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
    sigprocmask(SIG_SETMASK, &mask, NULL);
    if (good && strcmp(password, again) != 0) good = complain("the passwords differ");
    explicit_bzero(again, sizeof again);
    return good;
}

bool passwd(int argc, char **argv) {
    char password[PASSWORD_SIZE] = "", line[LINE_SIZE], reason[512] = "";
    if (argc < 1 || argc > 2 || argv[0][0] == '-')
        return complain("usage: " HOST_NAME " passwd NAME [RIGHTS], e.g. passwd alice carts=rw,prices=r (default *=rw)");
    if (!read_password(password)) return false;
    dm_result result =
        dm_users_line(argv[0], password, argc == 2 ? argv[1] : "*=rw", line, sizeof line, reason, sizeof reason);
    explicit_bzero(password, sizeof password);
    if (result != DM_OK) return complain(reason);
    puts(line);
    return true;
}
