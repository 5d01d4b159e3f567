"""PyMySQL against the SQL end. Usage: sql_client.py SOCKET PORT. Exits with 0 if everything is as it should be."""
import sys

import pymysql

socket, port = sys.argv[1], int(sys.argv[2])
root = pymysql.connect(unix_socket=socket, user="root")
with root.cursor() as cursor:
    cursor.execute("SELECT @@version_comment, VERSION(), USER(), CURRENT_USER(), DATABASE()")
    comment, version, user, account, database = cursor.fetchone()
    assert comment == "daemon-memcached" and version.startswith("8.0."), (comment, version)
    assert (user, account, database) == ("root@localhost", "root@localhost", None)
    cursor.execute("CREATE DATABASE py")
    cursor.execute("CREATE TABLE py.t (id INT PRIMARY KEY, name VARCHAR(20), body BLOB, n BIGINT UNSIGNED)")
    cursor.execute("CREATE USER shop IDENTIFIED BY 'se''cret'")
    cursor.execute("GRANT ALL ON py.* TO shop")
    rows = [(1, "ä", b"\xff\x00'", 2**64 - 1), (2, None, None, 0), (-3, "", b"", None)]
    assert cursor.executemany("INSERT INTO py.t VALUES (%s, %s, %s, %s)", rows) == 3
    cursor.execute("SELECT * FROM py.t ORDER BY id DESC")
    assert cursor.fetchall() == ((2, None, None, 0), (1, "ä", b"\xff\x00'", 2**64 - 1), (-3, "", b"", None))
# PyMySQL turns autocommit off: nobody else sees the rows before the commit.
shop = pymysql.connect(host="127.0.0.1", port=port, user="shop", password="se'cret", database="py", autocommit=True)
with shop.cursor(pymysql.cursors.DictCursor) as cursor:
    assert cursor.execute("SELECT * FROM t") == 0
    root.commit()
    assert cursor.execute("SELECT id, name FROM t WHERE id = %s", (1,)) == 1
    assert cursor.fetchone() == {"id": 1, "name": "ä"}
    cursor.execute("SELECT 1 + 1 AS i, 1 / 4 AS d, 1e0 AS f, NULL AS n, 'x' = 'y' AS b, COUNT(*) AS c, SUM(id) AS s FROM t")
    row = cursor.fetchone()
    assert {k: str(v) for k, v in row.items()} == {
        "i": "2", "d": "0.2500", "f": "1.0", "n": "None", "b": "0", "c": "3", "s": "0"}, row
    assert (type(row["i"]), type(row["f"]), type(row["c"])) == (int, float, int), row
    big = "x" * (20 << 20)
    cursor.execute("CREATE TABLE big (id INT PRIMARY KEY, body LONGTEXT)")
    cursor.execute("INSERT INTO big VALUES (1, %s)", (big,))
    cursor.execute("SELECT body FROM big")
    assert cursor.fetchone()["body"] == big, "a value of two frames"
    assert shop.ping() is None and shop.server_status & 2
for wrong in (dict(user="root"), dict(user="shop", password="secret"), dict(user="shop"), dict(user="nobody"),
              dict(user="root", password="x")):
    try:
        pymysql.connect(host="127.0.0.1", port=port, **wrong)
        sys.exit(f"{wrong} came in")
    except pymysql.err.OperationalError as error:
        assert error.args[0] == 1045 and "Access denied for user" in error.args[1], error.args
try:
    pymysql.connect(host="127.0.0.1", port=port, user="shop", password="se'cret", database="absent")
    sys.exit("an absent database")
except pymysql.err.OperationalError as error:
    assert error.args[0] in (1044, 1049), error.args
