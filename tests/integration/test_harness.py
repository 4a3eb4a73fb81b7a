"""The harness itself: servers that are stopped, killed and paused keep their data, and the reader of the standard store joins journal and archive."""
import struct
import time
from base64 import urlsafe_b64encode

import psycopg2
import pytest
import redis
from parley_test.daemon import ROOT
from parley_test.servers import Backing, Postgres, Redis, shared
from parley_test.store import KINDS, StandardReader

DEV = bytes(range(12))
KIND_OF = {name: kind for kind, name in KINDS.items()}


def varint(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes(out + bytes([value]))


def item(kind: str, n: int, body: bytes) -> bytes:
    sender = bytes([ord("v")]) + struct.pack("<Q", 77) + DEV
    return bytes([KIND_OF[kind]]) + struct.pack("<QQQq", 1, 5, 100 + n, 1000 + n) + sender + varint(n) + struct.pack("<Q", 2**64 - n) + varint(0) + b"\0\0" + bytes(8) + varint(len(body)) + body


def result(outcome: int, seq: int) -> bytes:
    return bytes([0, 0, 1, outcome]) + seq.to_bytes(6, "little") + bytes(16)


@pytest.fixture
def backing():
    backing = shared().backing()
    yield backing
    backing.drop()


def append(backing: Backing, counter: int, *entries) -> None:
    pack = b"\1\0" + varint(len(entries)) + b"".join(item(*entry[2:]) for entry in entries)
    with backing.redis.client() as client:
        client.xadd(f"{{{backing.prefix}:0}}log", {"p": pack, "r": b"".join(result(*entry[:2]) for entry in entries)}, id=f"1-{counter}")


def archive(backing: Backing, pos: int, seq: int, n: int, body: str, hashed: int) -> None:
    backing.postgres.execute(
        backing.name,
        "insert into message (pos, tenant_id, conv, seq, id, ts_ns, channel_id, principal_id, n, hash, skip, rev, claim, flags, audience, kind, principal_kind, dev, body)"
        " values (%s, 1, 5, %s, %s, %s, 1, 77, %s, %s, 0, %s, 0, 8, 0, 1, %s, %s, %s)",
        (pos, seq, 100 + n, 1000 + n, n, hashed, seq, ord("v"), DEV, body),
    )


def test_the_reader_of_the_standard_store_joins_journal_and_archive(backing) -> None:
    backing.postgres.execute(backing.name, (ROOT / "src/store/postgres/migrations/0001_first.sql").read_text(encoding="utf-8"))
    reader = StandardReader(backing)
    assert reader.entries() == []
    archive(backing, 1 << 12, 1, 1, '{"text": "one"}', -1)
    archive(backing, 2 << 12, 2, 2, '{"text": "two"}', -2)
    append(backing, 2, (1, 2, "text", 2, b'{"text":"two"}'), (2, 0, "refusal", 3, b"\x05"), (0, 0, "text", 4, b"{}"))
    append(backing, 3, (1, 3, "edit", 5, b'{"target":1,"text":"uno"}'), (1, 4, "recall", 6, b'{"target":2}'))
    append(backing, 4, (1, 5, "edit", 7, b'{"target":1,"text":"eins"}'))
    rows = reader.entries()
    assert [(row.pos, row.seq, row.type, row.n) for row in rows] == [
        (1 << 12, 1, "text", 1), (2 << 12, 2, "text", 2), (2 << 12 | 1, None, "refusal", 3), (3 << 12, 3, "edit", 5), (3 << 12 | 1, 4, "recall", 6), (4 << 12, 5, "edit", 7)
    ]
    assert [row.text for row in rows] == ["eins", None, None, None, None, "eins"], "folded; the edit in between is gone too"
    assert [row.rev for row in rows] == [5, 4, None, 5, 4, 5]
    assert {(row.conv, row.principal, row.dev, row.internal) for row in rows} == {("5", "v:77", urlsafe_b64encode(DEV).decode(), False)}
    assert rows[1].hash == 2**64 - 2 and rows[1].ts_ns == 1002 and rows[1].id == "102"
    assert reader.heads() == {"5": (5, 5)}
    counts = reader.row_counts()
    assert counts["message"] == 2 and counts[f"{{{backing.prefix}:0}}log"] == 3


def test_the_reader_of_the_standard_store_sees_an_archive_that_differs(backing) -> None:
    backing.postgres.execute(backing.name, (ROOT / "src/store/postgres/migrations/0001_first.sql").read_text(encoding="utf-8"))
    archive(backing, 1 << 12, 1, 1, '{"text": "one"}', -9)
    append(backing, 1, (1, 1, "text", 1, b'{"text":"one"}'))
    with pytest.raises(AssertionError, match="hash"):
        StandardReader(backing).entries()


def test_redis_keeps_its_data_over_a_kill_and_is_silent_while_paused() -> None:
    server = Redis().start()
    try:
        server.client().set("key", "kept")
        server.kill()
        with pytest.raises(redis.ConnectionError):
            server.client().ping()
        server.start()
        assert server.client().get("key") == b"kept"
        server.pause()
        with pytest.raises(redis.TimeoutError):
            redis.Redis(port=server.port, socket_timeout=0.2).ping()
        server.resume()
        server.until_ready()
        assert server.stop() == 0
        server.forget()
        server.start()
        assert server.client().get("key") is None
    finally:
        server.dispose()


def test_postgresql_keeps_its_data_over_a_kill_and_is_silent_while_paused() -> None:
    server = Postgres().start()
    try:
        server.create_database("kept")
        server.execute("kept", "create table numbers as select generate_series(1, 1000)")
        server.kill()
        with pytest.raises(psycopg2.OperationalError):
            server.connect("kept")
        server.start()
        assert server.execute("kept", "select count(*) from numbers") == [(1000,)]
        open_before = server.connect("kept")
        server.pause()
        started = time.monotonic()
        with pytest.raises(psycopg2.OperationalError):
            psycopg2.connect(server.conninfo("kept"), connect_timeout=2)
        assert time.monotonic() - started > 1
        server.resume()
        with open_before.cursor() as cursor:
            cursor.execute("select 1")
        open_before.close()
        assert server.stop() == 0
    finally:
        server.dispose()
