/*
 * sqlserver.h - the MySQL client protocol in front of the bundled engine.
 *
 * For the program around the engine: stock clients (mysql, mariadb, PyMySQL, libmariadb) log in and run statements, each
 * connection in a session of its own.  Statements that belong to the host go to the callback of refengine_set_host(),
 * on the connection's thread.
 */
#ifndef DAEMON_MEMCACHED_SQLSERVER_H
#define DAEMON_MEMCACHED_SQLSERVER_H

#include "refengine.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct sqlserver sqlserver_t;

typedef struct sqlserver_config {
    const char *address;          /* an IP address; NULL: no TCP */
    unsigned int port;            /* 0: any free one */
    const char *socket;           /* path of a UNIX socket; NULL: none.  One that nobody listens on is replaced. */
    unsigned int max_connections; /* more are answered with error 1040 */
    const char *ssl_cert, *ssl_key; /* certificate chain and private key in PEM, for TLS; both NULL: none */
} sqlserver_config_t;

/* Listens and serves.  REFENGINE_ERROR: a sentence went to `err` (NUL-terminated, cut to `errlen`). */
refengine_result_t sqlserver_start(refengine_t *engine, const sqlserver_config_t *config, sqlserver_t **out, char *err,
                                   size_t errlen);

/* The TCP port, 0 without one. */
unsigned int sqlserver_port(const sqlserver_t *server);

/* Reads the certificates again, for connections from now on.  REFENGINE_ERROR: a sentence went to `err`, and they stay as
 * they were.  NULL is allowed. */
refengine_result_t sqlserver_reload(const sqlserver_t *server, char *err, size_t errlen);

/* Ends all connections, rolling back what they have open, and waits for their statements at most `seconds`.  Frees the
 * server.  Returns 0 if a statement did not end in time: it still uses the engine, which must not be closed then.  NULL is
 * allowed. */
int sqlserver_stop(sqlserver_t *server, unsigned int seconds);

#ifdef __cplusplus
}
#endif
#endif
