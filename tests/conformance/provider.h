/*
 * What the conformance suite needs from an implementer of innodb_api.h.
 *
 * To run the suite on another engine, write one C file that defines `provider`, compile it with the other
 * sources of this folder in place of provider_refengine.c, and run the program with an empty directory as argument:
 *
 *     cc -std=c11 -I include tests/conformance/[!p]*.c my_provider.c -lpthread ...
 */
#ifndef CONFORMANCE_PROVIDER_H
#define CONFORMANCE_PROVIDER_H

#include "innodb_api.h"

struct provider {
    const char *name;
    /* Opens an engine whose files, if it has any, go into `folder`.  0, or a message was printed. */
    int (*open)(const char *folder);
    /* The callback table, valid until close(). */
    const ib_cb_t *(*table)(void);
    /* Runs statements separated by semicolons: CREATE DATABASE, CREATE TABLE (MySQL's words; the tables are in
     * tables.c) and DROP DATABASE IF EXISTS.  An engine without SQL may recognise these few texts.  0, or a message
     * was printed. */
    int (*define)(const char *sql);
    /* How long a lock wait of a transaction that starts from now on lasts. */
    int (*set_lock_wait)(unsigned int seconds);
    void (*close)(void);
};

extern const struct provider provider;

#endif
