"""SQLAlchemy, pandas and MySQL's own connector against the SQL end. Usage: sql.py PORT. Exits with 0 if everything is as it should be."""
import sys

import mysql.connector
import pandas
import sqlalchemy
from sqlalchemy import BigInteger, Column, Integer, LargeBinary, MetaData, String, Table

port = int(sys.argv[1])


def through_sqlalchemy(driver, **options):
    url = sqlalchemy.URL.create(f"mysql+{driver}", "shop", "se'cret", "127.0.0.1", port, "shop")
    engine = sqlalchemy.create_engine(url, connect_args=options)
    metadata = MetaData()
    carts = Table(f"{driver}_carts", metadata, Column("id", String(64), primary_key=True), Column("body", LargeBinary),
                  Column("flags", Integer, nullable=False), Column("cas", BigInteger))
    metadata.drop_all(engine)
    metadata.create_all(engine)
    with engine.begin() as connection:
        connection.execute(carts.insert(), [{"id": "a", "body": b"\xff\x00", "flags": 7, "cas": 2**62},
                                            {"id": "ä", "body": None, "flags": 0, "cas": None}])
    with engine.connect() as connection:
        rows = connection.execute(carts.select().order_by(carts.c.id)).all()
        assert rows == [("a", b"\xff\x00", 7, 2**62), ("ä", None, 0, None)], rows
        found = connection.execute(sqlalchemy.select(sqlalchemy.func.count()).where(carts.c.flags > 0).select_from(carts))
        assert found.scalar() == 1
        connection.execute(carts.update().where(carts.c.id == "a").values(flags=8))
        connection.rollback()
        assert connection.execute(carts.select().where(carts.c.flags == 7)).one().id == "a"
    seen = sqlalchemy.inspect(engine)
    assert f"{driver}_carts" in seen.get_table_names()
    assert [column["name"] for column in seen.get_columns(f"{driver}_carts")] == ["id", "body", "flags", "cas"]
    assert seen.get_pk_constraint(f"{driver}_carts")["constrained_columns"] == ["id"]
    # As an application finds a table of another's making.
    again = Table(f"{driver}_carts", MetaData(), autoload_with=engine)
    assert isinstance(again.c.id.type, String) and again.c.id.primary_key, again.c.id

    # A table of the engine has a primary key, which pandas does not make: it fills one that is there.
    frames = Table(f"{driver}_frame", metadata, Column("k", BigInteger, primary_key=True, autoincrement=False), Column("v", String(20)))
    metadata.create_all(engine)
    pandas.DataFrame({"k": [1, 2, 3], "v": ["x", "y", None]}).to_sql(frames.name, engine, if_exists="append", index=False)
    pandas.DataFrame({"k": [4], "v": ["ä"]}).to_sql(frames.name, engine, if_exists="append", index=False, method="multi")
    back = pandas.read_sql(f"SELECT * FROM {frames.name} ORDER BY k", engine)
    assert list(back["k"]) == [1, 2, 3, 4] and list(back["v"].dropna()) == ["x", "y", "ä"], back
    assert list(pandas.read_sql_table(frames.name, engine).columns) == ["k", "v"]
    engine.dispose()


through_sqlalchemy("pymysql")
through_sqlalchemy("mysqlconnector")

for options in (dict(), dict(ssl_disabled=True), dict(auth_plugin="mysql_native_password")):
    connection = mysql.connector.connect(host="127.0.0.1", port=port, user="shop", password="se'cret", **options)
    with connection.cursor(prepared=True) as cursor:
        cursor.execute("SELECT CURRENT_USER(), ?", (7,))
        assert cursor.fetchone() == ("shop@%", 7)
    connection.cmd_change_user("other", "words", "shop")
    with connection.cursor() as cursor:
        cursor.execute("SELECT CURRENT_USER(), DATABASE()")
        assert cursor.fetchone() == ("other@%", "shop")
    connection.reset_session()
    connection.close()
