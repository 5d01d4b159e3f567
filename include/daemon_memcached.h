/*
 * daemon_memcached.h - the memcached daemon for a C program that brings its own InnoDB API table
 * and no plugin lifecycle.
 *
 * One daemon may run per process.  Start order: open the storage engine, dm_start(); stop order:
 * dm_stop(), close the engine.
 */
#ifndef DAEMON_MEMCACHED_H
#define DAEMON_MEMCACHED_H

#include "innodb_api.h"

#ifdef __cplusplus
extern "C" {
#endif

#define DM_ABI_VERSION 1u

/* Results.  Stable numbers. */
typedef enum dm_result {
    DM_OK = 0,
    DM_INVALID_ARGUMENT = 1, /* NULL, wrong struct_size, abi_version or number of entries */
    DM_ALREADY_RUNNING = 2,
    DM_BAD_OPTION = 3,       /* the option string was refused */
    DM_BAD_CONFIGURATION = 4,/* the configuration tables or a container were refused */
    DM_CANNOT_LISTEN = 5,    /* an address or socket could not be bound */
    DM_SYSTEM = 6,           /* threads or descriptors ran out */
    DM_PANIC = 7             /* a defect of the daemon was caught at the boundary */
} dm_result;

typedef struct dm_handle dm_handle;

typedef struct dm_config {
    size_t struct_size;        /* sizeof(dm_config) */
    uint32_t abi_version;      /* DM_ABI_VERSION */
    uint32_t r_batch_size;     /* 0 = default (1); 1 .. 2^30 */
    uint32_t w_batch_size;     /* 0 = default (1); 1 .. 1048576 */
    uint32_t reserved;         /* 0 */
    const ib_cb_t *innodb_api; /* stays valid until dm_stop() returns */
    size_t innodb_api_entries; /* IB_CB_ENTRIES */
    const char *option;        /* memcached's options, "-p 11211 -t 4"; NULL = defaults */
    void *arg;                 /* passed to the functions below, each of which may be NULL */
    /* One line for the log.  level: 1 error, 2 warning, 3 note. */
    void (*log)(void *arg, int level, const char *line);
    /* Called first and last on each thread that touches tables; other than 0 refuses the start. */
    int (*thread_attach)(void *arg, void **state);
    void (*thread_detach)(void *arg, void *state);
    /* 1 once the host has begun to shut down; polled every 100 ms. */
    int (*is_shutting_down)(void *arg);
    /* Called on threads that touch tables: from here to the next call on a thread, the waits of its transactions for
     * locks shall end together, when the first of them would have to.  NULL: each wait takes its own time. */
    void (*lock_wait_restart)(void *arg);
} dm_config;

/* Reads the containers, binds, starts the workers.  On failure nothing keeps running and a sentence
 * goes to `err` (NUL-terminated, cut to `errlen`; may be NULL with 0).  The config is copied. */
dm_result dm_start(const dm_config *config, dm_handle **out, char *err, size_t errlen);

/* Stops accepting, finishes the running ticks, commits, closes connections, joins every thread, frees
 * the handle.  Bounded: a few seconds at the most.  NULL is allowed. */
dm_result dm_stop(dm_handle *handle);

/* Calls `fn` for each statistic, in memcached's words, e.g. ("curr_connections", "3"). */
typedef void (*dm_status_fn)(void *arg, const char *name, const char *value);
dm_result dm_status(dm_handle *handle, dm_status_fn fn, void *arg);

/* The TCP port of the n-th listener (from 0) after dm_start(), 0 past the last or for a UNIX socket. */
uint16_t dm_port(const dm_handle *handle, size_t n);

/* Writes a line for the users file of option -Y, without its end: the name, an argon2id hash of the
 * password with a new salt, the rights ("*=rw", "carts=rw,prices=r").  Takes tens of milliseconds and
 * 19 MiB.  The line is 128 bytes longer than name and rights at the most.  On failure `line` stays as it
 * was and a sentence goes to `err` as in dm_start(). */
dm_result dm_users_line(const char *name, const char *password, const char *rights, char *line, size_t linelen,
                        char *err, size_t errlen);

#ifdef __cplusplus
}
#endif
#endif
