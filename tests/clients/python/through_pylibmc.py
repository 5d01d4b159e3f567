"""What an application does through pylibmc in its binary mode. Usage: through_pylibmc.py PORT [NAME PASSWORD]. The exit status is 0
when every answer was right."""

import sys
import time

import pylibmc

PATIENCE = 20
MIB = 1 << 20


def same(got, wanted):
    if got != wanted:
        raise AssertionError(f"wanted {wanted!r:.200}, got {got!r:.200}")


def raises(error, call):
    try:
        call()
    except error:
        return
    raise AssertionError(f"no {error}")


def connect(address, credentials, **behaviors):
    # Nothing is kept back, and a large value goes as it is.
    behaviors = {"cas": True, "tcp_nodelay": True, **behaviors}
    return pylibmc.Client([address], binary=True, behaviors=behaviors, **credentials)


def values(client):
    for value in [b"hello", b"", b"\0\r\n\xff END\r\n", bytes(range(256)) * (MIB // 256), "grüß", 7, -(2**40), 1.5, {"a": [None]}]:
        same(client.set("value", value), True)
        got = client.get("value")
        same((type(got), got), (type(value), value))
    same(client.get("nothing"), None)
    same(client.set("schön".encode(), b"umlaut"), True)
    same(client.get("schön".encode()), b"umlaut")


def conditions(client):
    raises(pylibmc.NotFound, lambda: client.replace("co", b"a"))
    same(client.append("co", b"a"), False)
    same(client.prepend("co", b"a"), False)
    same(client.add("co", b"m"), True)
    same(client.add("co", b"n"), False)
    same(client.append("co", b"z"), True)
    same(client.prepend("co", b"a"), True)
    same(client.get("co"), b"amz")
    same(client.delete("co"), True)
    same(client.delete("co"), False)


def compare_and_swap(client):
    same(client.gets("cas-none"), (None, None))
    client.set("cas", b"a")
    value, cas = client.gets("cas")
    same(value, b"a")
    same(client.cas("cas", b"b", cas), True)
    same(client.cas("cas", b"c", cas), False)
    value, later = client.gets("cas")
    same(value, b"b")
    assert later != cas, later


def counters(client):
    raises(pylibmc.NotFound, lambda: client.incr("n"))
    client.set("n", 10)
    same(client.incr("n", 5), 15)
    same(client.decr("n", 100), 0)
    same(client.incr("n", 2**31 - 1), 2**31 - 1)
    client.set_multi({"m1": 1, "m2": 2})
    client.incr_multi(["m1", "m2"], delta=10)
    same(client.get_multi(["m1", "m2"]), {"m1": 11, "m2": 12})


def many(client):
    items = {f"many-{i}": b"%d" % i * (i % 50) for i in range(1000)}
    same(client.set_multi(items), [])
    same(client.get_multi([*items, "nothing"]), items)
    same(client.get_multi(["1", "no"], key_prefix="many-"), {"1": items["many-1"]})
    same(client.delete_multi(list(items)), True)
    same(client.get_multi(list(items)), {})


def expiry(client):
    client.set("short", b"x", time=1)
    client.set("long", b"x", time=1000)
    client.set("touched", b"x", time=1000)
    client.set("past", b"x", time=int(time.time()) - 10)
    same(client.touch("touched", 1), True)
    same(client.touch("nothing", 1), False)
    same(client.get("past"), None)
    end = time.monotonic() + PATIENCE
    while client.get_multi(["short", "touched"]):
        assert time.monotonic() < end, "nothing expires"
        time.sleep(0.05)
    same(client.get("long"), b"x")


def without_replies(address, credentials):
    """A wrong answer to a quiet request would be taken for the answer of the get at the end."""
    client = connect(address, credentials, no_block=True, _noreply=True)
    for i in range(1000):
        client.set(f"quiet-{i}", b"%d" % i)
    client.delete("quiet-2")
    same(client.get_multi(["quiet-1", "quiet-2", "quiet-999"]), {"quiet-1": b"1", "quiet-999": b"999"})


def restart(address, credentials):
    """The server goes away and comes back with what it said it had stored."""
    client = connect(address, credentials)
    same(client.set("survivor", b"still here"), True)
    print("restart", flush=True)
    sys.stdin.readline()
    end = time.monotonic() + PATIENCE
    while True:
        try:
            same(client.get("survivor"), b"still here")
            return
        except pylibmc.Error:
            assert time.monotonic() < end, "no server after the restart"
            time.sleep(0.02)


def server_commands(client):
    same(client.get("long"), b"x")
    [(_, stats)] = client.get_stats()
    assert "cmd_get" in stats
    same(client.flush_all(), True)
    same(client.get("long"), None)
    client.disconnect_all()


def main():
    address = f"127.0.0.1:{sys.argv[1]}"
    credentials = dict(zip(["username", "password"], sys.argv[2:]))
    client = connect(address, credentials)
    values(client)
    conditions(client)
    compare_and_swap(client)
    counters(client)
    many(client)
    expiry(client)
    without_replies(address, credentials)
    restart(address, credentials)
    server_commands(connect(address, credentials))


main()
