/* The tables of the suite. */
#include "suite.h"

const char *const tables_sql =
    "DROP DATABASE IF EXISTS conf;"
    "CREATE DATABASE conf;"
    "CREATE TABLE conf.rows (k VARBINARY(20) PRIMARY KEY, v BLOB, n INT NOT NULL, u BIGINT UNSIGNED,"
    " UNIQUE KEY by_u (u));"
    "CREATE TABLE conf.ints (id INT PRIMARY KEY, i1 TINYINT, u1 TINYINT UNSIGNED, i2 SMALLINT, u2 SMALLINT UNSIGNED,"
    " i3 MEDIUMINT, u3 MEDIUMINT UNSIGNED, i4 INT, u4 INT UNSIGNED, i8 BIGINT, u8 BIGINT UNSIGNED);"
    "CREATE TABLE conf.texts (id INT PRIMARY KEY, c CHAR(4) CHARACTER SET utf8mb4, cl CHAR(4) CHARACTER SET latin1,"
    " v VARCHAR(3) CHARACTER SET utf8mb4, vl VARCHAR(3) CHARACTER SET latin1, b BINARY(3), vb VARBINARY(3),"
    " tb TINYBLOB, bl BLOB, mb MEDIUMBLOB, lb LONGBLOB, t TEXT CHARACTER SET utf8mb4);"
    "CREATE TABLE conf.pairs (a INT, b VARBINARY(10), c INT, d CHAR(3) CHARACTER SET latin1, PRIMARY KEY (a, b),"
    " UNIQUE KEY by_c_d (c, d))";

const char *const table_names[] = {ROWS, "conf/ints", "conf/texts", "conf/pairs", NULL};
