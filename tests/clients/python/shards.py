"""Keys spread over three hosts by ketama: shards.py PORT PORT PORT. One dies and is replaced where this writes "restart"."""
import sys
import time

import pylibmc

KEYS = [f"key{i}" for i in range(3000)]
BEHAVIORS = {"ketama": True, "remove_failed": 1, "retry_timeout": 1, "dead_timeout": 60, "connect_timeout": 500,
             "tcp_nodelay": True}


def connect():
    return pylibmc.Client([f"127.0.0.1:{port}" for port in sys.argv[1:]], behaviors=BEHAVIORS)


def restart():
    print("restart", flush=True)
    sys.stdin.readline()


def found(client, value):
    """Keys that have this value; whoever asks a dead host first is told so, and the host is left out from then on."""
    keys = set()
    for key in KEYS:
        for _ in range(100):
            try:
                if client.get(key) == value:
                    keys.add(key)
                break
            except pylibmc.Error:
                time.sleep(0.1)
        else:
            raise SystemExit(f"{key} cannot be asked for")
    return keys


def store(client, value):
    for key in KEYS:
        for _ in range(100):
            try:
                if client.set(key, value):
                    break
            except pylibmc.Error:
                time.sleep(0.1)
        else:
            raise SystemExit(f"{key} cannot be stored")


client = connect()
store(client, "one")
assert found(client, "one") == set(KEYS)

# A host dies: the others keep their keys, and take over those of the dead one.
restart()
kept = found(client, "one")
print(f"{len(kept)} of {len(KEYS)} keys were on the hosts that live")
assert len(KEYS) * 0.45 < len(kept) < len(KEYS) * 0.9, len(kept)
store(client, "two")
assert found(client, "two") == set(KEYS)

# An empty one takes its place and its keys back; nothing else moves.
restart()
client = connect()
again = found(client, "two")
assert again == kept, f"{len(again ^ kept)} keys moved"
store(client, "three")
assert found(client, "three") == set(KEYS)
