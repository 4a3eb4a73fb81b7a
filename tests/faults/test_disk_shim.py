"""The disk below redis-server that forgets, fills up and fails, shown without Parley: what the other tests take for granted."""
import random
import threading
import time
from typing import Iterator, List, Tuple

import pytest
import redis
from parley_test.disk import Disk, cut_torn_transaction
from parley_test.plugin import scale
from parley_test.servers import Redis


@pytest.fixture
def made() -> Iterator[List[Redis]]:
    servers: List[Redis] = []
    yield servers
    for server in servers:
        server.dispose()


def server_on_disk(made: List[Redis], appendfsync: str) -> Tuple[Redis, Disk]:
    server = Redis(appendfsync)
    made.append(server)
    disk = Disk(server.data, server.folder / "disk")
    server.env.update(disk.env())
    server.start()
    return server, disk


class Pusher(threading.Thread):
    """Pushes 0, 1, 2, … to a list until the server is gone; `answered` of them were said to be there."""

    def __init__(self, server: Redis, first: int) -> None:
        super().__init__(daemon=True)
        self.answered = first
        self._client = server.client()

    def run(self) -> None:
        try:
            while True:
                self._client.rpush("list", self.answered)
                self.answered += 1
        except redis.RedisError:
            pass


def content(server: Redis) -> List[int]:
    with server.client() as client:
        return [int(value) for value in client.lrange("list", 0, -1)]


@pytest.mark.timeout(scale(60, 300))
def test_with_always_nothing_answered_is_lost(made, seed) -> None:
    dice = random.Random(seed)
    server, disk = server_on_disk(made, "always")
    standing, dropped = 0, 0
    for _ in range(scale(6, 40)):
        pusher = Pusher(server, standing)
        pusher.start()
        time.sleep(dice.uniform(0.05, 0.3))
        disk.slow(dice.choice((0, 0, 30)))  # the power goes while a sync takes its time
        time.sleep(dice.uniform(0.0, 0.1))
        server.kill()
        pusher.join()
        dropped += disk.cut_power(dice)
        disk.heal()
        server.start()
        values = content(server)
        assert values == list(range(len(values))), "what is left is a beginning of what was pushed"
        assert len(values) >= pusher.answered > standing, f"{pusher.answered} were answered and {len(values)} are there"
        standing = len(values)
    print(f"dropped {dropped} bytes that were not answered")


@pytest.mark.timeout(60)
def test_with_everysec_answers_are_lost(made) -> None:
    server, disk = server_on_disk(made, "everysec")
    lost = 0
    for _ in range(3):
        standing = len(content(server))
        pusher = Pusher(server, standing)
        pusher.start()
        time.sleep(1.5)
        server.kill()
        pusher.join()
        disk.cut_power()
        server.start()
        values = content(server)
        assert values == list(range(len(values)))
        lost += max(0, pusher.answered - len(values))
    assert lost > 0, "a disk that loses nothing proves nothing"


PAIR = """#!lua name=pair
redis.register_function('pair', function(keys, args)
  redis.call('XADD', keys[1], '1-' .. args[1], 'what', args[2])
  redis.call('HSET', keys[2], 'last', args[2])
end)"""


@pytest.mark.timeout(60)
@pytest.mark.parametrize("checked", [False, True])
def test_a_transaction_cut_in_the_middle(made, checked) -> None:
    """A function's writes stand in the file as a transaction. If the power goes in the middle of it, Redis 7.0 forgets it and leaves its beginning in the file; the transaction that
    follows is answered, synced, and lost with the next restart. redis-check-aof, run before the start, takes the beginning away."""
    server, disk = server_on_disk(made, "always")

    def pair(client: "redis.Redis[bytes]", number: int, what: str) -> None:
        client.execute_command("FCALL", "pair", 2, "{p}log", "{p}state", number, what)

    with server.client() as client:
        client.execute_command("FUNCTION", "LOAD", PAIR)
        pair(client, 1, "before")
        (path,) = server.data.glob("appendonlydir/*.incr.aof")
        pair(client, 2, "cut off")
    server.kill()
    content = path.read_bytes()
    path.write_bytes(content[: content.rindex(b"HSET")])
    disk.settle()
    if checked:
        cut_torn_transaction(server.data)
    server.start()
    with server.client() as client:
        assert client.xlen("{p}log") == 1
        pair(client, 2, "answered")
    server.kill()
    disk.cut_power()
    server.start()
    with server.client() as client:
        kept = [fields[b"what"] for _, fields in client.xrange("{p}log")]
    assert kept == ([b"before", b"answered"] if checked else [b"before", b"cut off"]), "if this Redis has learnt it, the check is no longer needed"


def test_a_kill_without_power_loss_loses_nothing_even_with_everysec(made) -> None:
    server, _ = server_on_disk(made, "everysec")
    pusher = Pusher(server, 0)
    pusher.start()
    time.sleep(0.5)
    server.kill()
    pusher.join()
    server.start()
    assert len(content(server)) >= pusher.answered > 0


def test_a_full_disk_stops_writing_and_frees_it_again(made) -> None:
    server, disk = server_on_disk(made, "everysec")
    with server.client() as client:
        client.rpush("list", 0)
        disk.set_free(10)
        with pytest.raises(redis.RedisError):
            for i in range(1, 50):
                client.rpush("list", i)
                time.sleep(0.02)
        assert client.lrange("list", 0, 0) == [b"0"], "reading goes on"
        disk.heal()
        for _ in range(500):
            try:
                client.rpush("list", "after")
                break
            except redis.RedisError:
                time.sleep(0.02)
        else:
            raise AssertionError("it does not write again")


@pytest.mark.parametrize("fault", ["fill", "break_it"])
def test_with_always_a_failing_disk_ends_the_server(made, fault) -> None:
    server, disk = server_on_disk(made, "always")
    with server.client() as client:
        client.rpush("list", 0)
        getattr(disk, fault)()
        with pytest.raises(redis.RedisError):
            client.rpush("list", 1)
    assert server.process and server.process.wait(10) == 1
    disk.cut_power()
    disk.heal()
    server.start()
    assert content(server)[:1] == [0]
