/*
 * sql_client.c - libmariadb against the SQL end: text and prepared statements.
 *
 * Usage: sql_client SOCKET.  Prints nothing and exits with 0 if everything is as it should be.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <mysql.h>

#define CHECK(condition, what)                                                                              \
    do {                                                                                                    \
        if (!(condition)) {                                                                                 \
            fprintf(stderr, "line %d: %s: %s\n", __LINE__, #condition, what);                               \
            exit(1);                                                                                        \
        }                                                                                                   \
    } while (0)

static MYSQL_STMT *prepare(MYSQL *db, const char *sql) {
    MYSQL_STMT *statement = mysql_stmt_init(db);
    CHECK(statement && mysql_stmt_prepare(statement, sql, strlen(sql)) == 0, mysql_stmt_error(statement));
    return statement;
}

static void insert_rows(MYSQL *db) {
    MYSQL_STMT *statement = prepare(db, "INSERT INTO t VALUES (?, ?, ?, ?)");
    int id;
    unsigned long long big;
    char bytes[4] = {'a', 0, (char)0xff, '\''};
    unsigned long length = sizeof bytes;
    my_bool null = 0;
    MYSQL_BIND bind[4] = {{.buffer_type = MYSQL_TYPE_LONG, .buffer = &id},
                          {.buffer_type = MYSQL_TYPE_LONGLONG, .buffer = &big, .is_unsigned = 1, .is_null = &null},
                          {.buffer_type = MYSQL_TYPE_BLOB, .buffer = bytes, .buffer_length = 4, .length = &length},
                          {.buffer_type = MYSQL_TYPE_STRING, .buffer = "it's \\ \xc3\xa4", .buffer_length = 9}};
    CHECK(mysql_stmt_param_count(statement) == 4, "parameters");
    CHECK(mysql_stmt_bind_param(statement, bind) == 0, mysql_stmt_error(statement));
    for (id = -1; id <= 1; id++) {
        big = UINT64_MAX - (unsigned long long)(id + 1);
        null = id == 0;
        CHECK(mysql_stmt_execute(statement) == 0, mysql_stmt_error(statement));
        CHECK(mysql_stmt_affected_rows(statement) == 1, "affected");
    }
    id = 1;
    CHECK(mysql_stmt_execute(statement) != 0 && mysql_stmt_errno(statement) == 1062, "a duplicate key");
    id = 2; /* in pieces */
    CHECK(mysql_stmt_send_long_data(statement, 2, "in ", 3) == 0, mysql_stmt_error(statement));
    CHECK(mysql_stmt_send_long_data(statement, 2, "pieces", 6) == 0, mysql_stmt_error(statement));
    CHECK(mysql_stmt_execute(statement) == 0, mysql_stmt_error(statement));
    CHECK(mysql_stmt_close(statement) == 0, mysql_error(db));
}

static void read_rows(MYSQL *db) {
    MYSQL_STMT *statement = prepare(db, "SELECT id, big, bytes, text FROM t WHERE id >= ? ORDER BY id LIMIT ?");
    MYSQL_RES *heading = mysql_stmt_result_metadata(statement);
    CHECK(heading && mysql_num_fields(heading) == 4, "columns are known before the execution");
    CHECK(strcmp(mysql_fetch_field_direct(heading, 0)->org_table, "t") == 0, "a column's table");
    CHECK(mysql_fetch_field_direct(heading, 1)->flags & UNSIGNED_FLAG, "a column's sign");
    mysql_free_result(heading);
    int from = -1, limit = 10, id;
    long long big;
    char bytes[32], text[32];
    unsigned long bytes_length, text_length;
    my_bool null;
    MYSQL_BIND in[2] = {{.buffer_type = MYSQL_TYPE_LONG, .buffer = &from},
                        {.buffer_type = MYSQL_TYPE_LONG, .buffer = &limit}};
    MYSQL_BIND out[4] = {
        {.buffer_type = MYSQL_TYPE_LONG, .buffer = &id},
        {.buffer_type = MYSQL_TYPE_LONGLONG, .buffer = &big, .is_unsigned = 1, .is_null = &null},
        {.buffer_type = MYSQL_TYPE_BLOB, .buffer = bytes, .buffer_length = sizeof bytes, .length = &bytes_length},
        {.buffer_type = MYSQL_TYPE_STRING, .buffer = text, .buffer_length = sizeof text, .length = &text_length}};
    CHECK(mysql_stmt_bind_param(statement, in) == 0, mysql_stmt_error(statement));
    for (limit = 10; limit >= 1; limit -= 9) {
        CHECK(mysql_stmt_execute(statement) == 0, mysql_stmt_error(statement));
        CHECK(mysql_stmt_bind_result(statement, out) == 0, mysql_stmt_error(statement));
        CHECK(mysql_stmt_store_result(statement) == 0, mysql_stmt_error(statement));
        int rows = 0;
        for (; mysql_stmt_fetch(statement) == 0; rows++) {
            CHECK(id == rows - 1 && null == (id == 0), "a key and a NULL");
            CHECK(null || (uint64_t)big == UINT64_MAX - (uint64_t)(id < 2 ? id + 1 : 2), "a BIGINT UNSIGNED");
            CHECK(id == 2 ? bytes_length == 9 && memcmp(bytes, "in pieces", 9) == 0
                          : bytes_length == 4 && memcmp(bytes, "a\0\xff'", 4) == 0, "bytes");
            CHECK(text_length == 9 && memcmp(text, "it's \\ \xc3\xa4", 9) == 0, "text");
        }
        CHECK(rows == (limit == 10 ? 4 : 1), "rows");
        mysql_stmt_free_result(statement);
    }
    CHECK(mysql_stmt_reset(statement) == 0, mysql_stmt_error(statement));
    mysql_stmt_close(statement);
}

static void several_results(MYSQL *db) {
    CHECK(mysql_query(db, "SELECT 1; SELECT 2") != 0 && mysql_errno(db) == 1064, "not asked for yet");
    CHECK(mysql_set_server_option(db, MYSQL_OPTION_MULTI_STATEMENTS_ON) == 0, mysql_error(db));
    CHECK(mysql_query(db, "SELECT 1; UPDATE t SET big = 5; SELECT * FROM absent; SELECT 3") == 0, mysql_error(db));
    MYSQL_RES *result = mysql_store_result(db);
    CHECK(result && strcmp(mysql_fetch_row(result)[0], "1") == 0, mysql_error(db));
    mysql_free_result(result);
    CHECK(mysql_next_result(db) == 0 && mysql_affected_rows(db) == 4, mysql_error(db));
    CHECK(mysql_next_result(db) > 0 && mysql_errno(db) == 1146, "the third fails");
    CHECK(!mysql_more_results(db), "and is the last");
}

int main(int argc, char **argv) {
    CHECK(argc == 2, "usage");
    MYSQL *db = mysql_init(NULL);
    CHECK(mysql_real_connect(db, NULL, "root", NULL, NULL, 0, argv[1], 0), mysql_error(db));
    CHECK(mysql_query(db, "CREATE DATABASE c") == 0 && mysql_select_db(db, "c") == 0, mysql_error(db));
    CHECK(mysql_select_db(db, "absent") != 0 && mysql_errno(db) == 1049, "an unknown database");
    CHECK(mysql_query(db, "CREATE TABLE t (id INT PRIMARY KEY, big BIGINT UNSIGNED, bytes BLOB, text VARCHAR(20))") == 0,
          mysql_error(db));
    insert_rows(db);
    read_rows(db);
    several_results(db);
    MYSQL_RES *fields = mysql_list_fields(db, "t", NULL);
    CHECK(fields && mysql_num_fields(fields) == 4, mysql_error(db));
    mysql_free_result(fields);
    CHECK(mysql_query(db, "BEGIN") == 0 && mysql_query(db, "DELETE FROM t") == 0, mysql_error(db));
    CHECK(mysql_reset_connection(db) == 0 && mysql_ping(db) == 0, mysql_error(db));
    CHECK(mysql_query(db, "SELECT COUNT(*) FROM t") == 0, mysql_error(db));
    MYSQL_RES *count = mysql_store_result(db);
    CHECK(strcmp(mysql_fetch_row(count)[0], "4") == 0, "a reset rolls back");
    mysql_free_result(count);
    mysql_close(db);
    return 0;
}
