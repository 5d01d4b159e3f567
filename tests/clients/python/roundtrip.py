"""What an application does through pymemcache. Usage: roundtrip.py PORT. The exit status is 0 when every answer was right."""

import sys
import time

from pymemcache.client.base import Client, PooledClient
from pymemcache.exceptions import MemcacheClientError, MemcacheUnexpectedCloseError
from pymemcache.serde import python_memcache_deserializer, python_memcache_serializer

PATIENCE = 20
MIB = 1 << 20


def same(got, wanted):
    if got != wanted:
        raise AssertionError(f"wanted {wanted!r:.200}, got {got!r:.200}")


def values(client):
    for value in [b"hello", b"", b"\0\r\n\xff END\r\n", bytes(range(256)) * (MIB // 256)]:
        same(client.set("value", value, noreply=False), True)
        same(client.get("value"), value)
    same(client.get("nothing"), None)
    same(client.get("nothing", default=b"d"), b"d")


def flags(client, address):
    plain = Client(address, deserializer=lambda key, value, flags: (value, flags))
    for flag in [0, 1, 65535, 2**31, 2**32 - 1]:
        same(client.set("flags", b"x", flags=flag, noreply=False), True)
        same(plain.get("flags"), (b"x", flag))
    plain.close()
    # The serializer keeps the type in the flags.
    typed = Client(address, serializer=python_memcache_serializer, deserializer=python_memcache_deserializer)
    for value in [1, 2**70, "text", "grüß", b"bytes", {"a": [1, 2.5, None]}]:
        same(typed.set("typed", value, noreply=False), True)
        got = typed.get("typed")
        same((type(got), got), (type(value), value))
    typed.close()


def unicode_keys(address):
    client = Client(address, allow_unicode_keys=True)
    for key in ["schön", "ключ", "鍵", "🔑"]:
        same(client.set(key, key.encode(), noreply=False), True)
        same(client.get(key), key.encode())
        same(client.get_many([key, "nothing"]), {key: key.encode()})
    client.close()


def conditions(client):
    same(client.replace("co", b"a", noreply=False), False)
    same(client.append("co", b"a", noreply=False), False)
    same(client.add("co", b"m", noreply=False), True)
    same(client.add("co", b"n", noreply=False), False)
    same(client.append("co", b"z", noreply=False), True)
    same(client.prepend("co", b"a", noreply=False), True)
    same(client.get("co"), b"amz")
    same(client.delete("co", noreply=False), True)
    same(client.delete("co", noreply=False), False)


def compare_and_swap(client):
    same(client.cas("cas", b"x", b"1"), None)
    same(client.set("cas", b"a", noreply=False), True)
    value, cas = client.gets("cas")
    same(value, b"a")
    same(client.cas("cas", b"b", cas), True)
    same(client.cas("cas", b"c", cas), False)
    value, later = client.gets("cas")
    same(value, b"b")
    assert later != cas, later
    same(client.gets_many(["cas", "nothing"]), {"cas": (b"b", later)})


def counters(client):
    same(client.incr("n", 1), None)
    client.set("n", b"10", noreply=False)
    same(client.incr("n", 5), 15)
    same(client.decr("n", 100), 0)
    same(client.incr("n", 2**64 - 1), 2**64 - 1)
    same(client.incr("n", 3), 2)
    client.set("n", b"ten", noreply=False)
    try:
        client.incr("n", 1)
    except MemcacheClientError:
        pass
    else:
        raise AssertionError("incr of a word")


def many(client):
    items = {f"many-{i}": b"%d" % i * (i % 50) for i in range(1000)}
    same(client.set_many(items, noreply=False), [])
    same(client.get_many([*items, "nothing"]), items)
    same(client.delete_many(list(items), noreply=False), True)
    same(client.get_many(list(items)), {})


def expiry(client):
    client.set("short", b"x", expire=1, noreply=False)
    client.set("long", b"x", expire=1000, noreply=False)
    client.set("touched", b"x", expire=1000, noreply=False)
    client.set("past", b"x", expire=-1, noreply=False)
    same(client.touch("touched", 1, noreply=False), True)
    same(client.touch("nothing", 1, noreply=False), False)
    same(client.get("past"), None)
    end = time.monotonic() + PATIENCE
    while client.get_many(["short", "touched"]):
        assert time.monotonic() < end, "nothing expires"
        time.sleep(0.05)
    same(client.get("long"), b"x")


def without_replies(client):
    for i in range(1000):
        client.set(f"quiet-{i}", b"%d" % i, noreply=True)
    client.incr("quiet-1", 41, noreply=True)
    client.delete("quiet-2", noreply=True)
    same(client.get_many(["quiet-1", "quiet-2", "quiet-999"]), {"quiet-1": b"42", "quiet-999": b"999"})


def restart(address):
    """The server goes away and comes back with what it said it had stored."""
    client = Client(address, timeout=PATIENCE)
    same(client.set("survivor", b"still here", noreply=False), True)
    print("restart", flush=True)
    sys.stdin.readline()
    end = time.monotonic() + PATIENCE
    while True:
        try:
            same(client.get("survivor"), b"still here")
            return
        except (MemcacheUnexpectedCloseError, OSError):
            assert time.monotonic() < end, "no server after the restart"
            time.sleep(0.02)


def server_commands(client):
    assert client.version()
    assert b"cmd_get" in client.stats()
    same(client.flush_all(noreply=False), True)
    same(client.get("long"), None)
    client.quit()


def main():
    address = ("127.0.0.1", int(sys.argv[1]))
    client = Client(address, timeout=PATIENCE)
    values(client)
    flags(client, address)
    unicode_keys(address)
    conditions(client)
    compare_and_swap(client)
    counters(client)
    many(PooledClient(address, max_pool_size=4, timeout=PATIENCE))
    expiry(client)
    without_replies(client)
    restart(address)
    server_commands(Client(address, timeout=PATIENCE))


main()
