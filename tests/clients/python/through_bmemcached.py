"""What an application does through python-binary-memcached. Usage: through_bmemcached.py PORT [NAME PASSWORD]. The exit status is 0
when every answer was right."""

import sys
import time

import bmemcached
from bmemcached.exceptions import MemcachedException

PATIENCE = 20
MIB = 1 << 20


def same(got, wanted):
    if got != wanted:
        raise AssertionError(f"wanted {wanted!r:.200}, got {got!r:.200}")


def values(client):
    for value in [b"hello", b"", b"\0\r\n\xff END\r\n", bytes(range(256)) * (MIB // 256), "grüß", 7, 2**70, {"a": [1, 2.5, None]}]:
        same(client.set("value", value, compress_level=0), True)
        got = client.get("value")
        same((type(got), got), (type(value), value))
    same(client.get("nothing"), None)
    same(client.get("nothing", "default"), "default")
    for key in ["schön", "ключ", "鍵", "🔑", "with space"]:
        same(client.set(key, key), True)
        same(client.get(key), key)


def conditions(client):
    same(client.replace("co", "a"), False)
    same(client.add("co", "m"), True)
    same(client.add("co", "n"), False)
    same(client.replace("co", "o"), True)
    same(client.get("co"), "o")
    same(client.delete("co"), True)
    same(client.get("co"), None)


def compare_and_swap(client):
    same(client.gets("cas"), (None, None))
    same(client.set("cas", "a"), True)
    value, cas = client.gets("cas")
    same(value, "a")
    same(client.cas("cas", "b", cas), True)
    same(client.cas("cas", "c", cas), False)
    same(client.delete("cas", cas), False)
    value, later = client.gets("cas")
    same(value, "b")
    assert later != cas, later
    same(client.get_multi(["cas", "nothing"], get_cas=True), {"cas": ("b", later)})
    # The number that a set answers with is the one that is read.
    stored, number = client.set("cas", "d", get_cas=True)
    same((stored, client.gets("cas")), (True, ("d", number)))
    same(client.delete("cas", number), True)


def counters(client):
    same(client.incr("n", 1, default=10), 10)
    same(client.incr("n", 5, default=10), 15)
    same(client.decr("n", 100), 0)
    same(client.incr("n", 2**64 - 1), 2**64 - 1)
    same(client.incr("n", 3), 2)
    client.set("n", "ten")
    try:
        client.incr("n", 1)
    except MemcachedException:
        pass
    else:
        raise AssertionError("incr of a word")


def many(client):
    items = {f"many-{i}": b"%d" % i * (i % 50) for i in range(1000)}
    same(client.set_multi(items), [])
    same(client.get_multi([*items, "nothing"]), items)
    same(client.delete_multi(list(items)), True)
    same(client.get_multi(list(items)), {})


def expiry(client):
    client.set("short", "x", time=1)
    client.set("long", "x", time=1000)
    client.set("past", "x", time=int(time.time()) - 10)
    same(client.get("past"), None)
    end = time.monotonic() + PATIENCE
    while client.get("short"):
        assert time.monotonic() < end, "nothing expires"
        time.sleep(0.05)
    same(client.get("long"), "x")


def restart(client):
    """The server goes away and comes back with what it said it had stored."""
    same(client.set("survivor", "still here"), True)
    print("restart", flush=True)
    sys.stdin.readline()
    client.enable_retry_delay(False)
    end = time.monotonic() + PATIENCE
    while client.get("survivor") != "still here":
        assert time.monotonic() < end, "no server after the restart"
        time.sleep(0.02)


def strangers(address, name, password):
    """Who does not say who it is, or says it wrongly, gets nothing."""
    client = bmemcached.Client(address, name, password + "x")
    try:
        client.set("stranger", "x")
    except MemcachedException:
        pass
    else:
        raise AssertionError("a wrong password works")
    try:
        bmemcached.Client(address).set("stranger", "x")
    except MemcachedException:
        pass
    else:
        raise AssertionError("it works without a password")
    same(bmemcached.Client(address, name, password).get("stranger"), None)


def server_commands(client):
    same(client.get("long"), "x")
    [stats] = client.stats().values()
    assert "cmd_get" in stats
    same(client.flush_all(), True)
    same(client.get("long"), None)
    client.disconnect_all()


def main():
    address = f"127.0.0.1:{sys.argv[1]}"
    credentials = sys.argv[2:]
    client = bmemcached.Client(address, *credentials, socket_timeout=PATIENCE)
    values(client)
    conditions(client)
    compare_and_swap(client)
    counters(client)
    many(client)
    expiry(client)
    restart(client)
    if credentials:
        strangers(address, *credentials)
    server_commands(client)


main()
