"""What the standard store may not say against itself is found: a sound archive and journal, made here by hand, and one thing spoilt in each test."""
import struct
from pathlib import Path
from typing import Callable, Iterator

import pytest
from parley_test.servers import Backing, shared
from parley_test.store import StandardReader
from truth import StandardTruth

SCHEMA = Path(__file__).resolve().parents[2] / "src/store/postgres/migrations/0001_first.sql"
CONV = 700
ARCHIVED, ENTRIES = 3, 5  # one entry in each batch of the journal; the last two are not archived yet


def item(seq: int) -> bytes:
    """Pack v1 with one text."""
    body = b'{"text":"%d"}' % seq
    head = struct.pack("<BBBBQQQqBQ12s", 1, 0, 1, 1, 1, CONV, 9000 + seq, 1700000000000000000 + seq, ord("v"), 5, b"d" * 12)
    return head + struct.pack("<BQBBBQB", seq, 77 + seq, 0, 0, 0, 0, len(body)) + body


def result(seq: int) -> bytes:
    return struct.pack("<BBBB", 0, 8, 1, 1) + seq.to_bytes(6, "little") + struct.pack("<IIQ", 0, 0, 0)


class Made:
    def __init__(self, backing: Backing) -> None:
        self.backing = backing
        self.truth = StandardTruth(backing)
        self.log = f"{{{backing.prefix}:0}}log"
        self.sql(SCHEMA.read_text(encoding="utf-8"))
        self.sql(
            "insert into conversation (id, tenant_id, channel_id, visitor_id, number, epoch, status, created_ns, head, archived_seq)"
            f" values ({CONV}, 1, 2, 5, 1, 'e', 1, 0, {ARCHIVED}, {ARCHIVED})"
        )
        for seq in range(1, ARCHIVED + 1):
            self.archive(seq)
        self.sql(f"insert into flush_progress values (0, 1, {ARCHIVED}, '1:me', 0)")
        with backing.redis.client() as client:
            for seq in range(1, ENTRIES + 1):
                client.xadd(self.log, {"p": item(seq), "r": result(seq)}, id=f"1-{seq}")

    def sql(self, text: str) -> None:
        self.backing.postgres.execute(self.backing.name, text)

    def archive(self, seq: int) -> None:
        self.sql(
            "insert into message (pos, tenant_id, conv, seq, id, ts_ns, channel_id, principal_id, n, hash, skip, rev, claim, flags, audience, kind, principal_kind, dev, body)"
            f" values ({seq << 12}, 1, {CONV}, {seq}, {9000 + seq}, {1700000000000000000 + seq}, 2, 5, {seq}, {77 + seq}, 0, {seq}, 0, 8, 0, 1, {ord('v')},"
            f""" '\\x{(b"d" * 12).hex()}', '{{"text":"{seq}"}}')"""
        )


@pytest.fixture
def made() -> Iterator[Made]:
    backing = shared().backing()
    yield Made(backing)
    backing.drop()


def test_a_sound_store_has_none(made) -> None:
    assert made.truth.contradictions() == []
    assert made.truth.lag() == ENTRIES - ARCHIVED
    assert [entry.text for entry in StandardReader(made.backing).entries()] == ["1", "2", "3", "4", "5"]


def lose_an_archived_row(made: Made) -> None:
    made.sql(f"delete from message where seq = {ARCHIVED}")


def archive_twice(made: Made) -> None:
    made.archive(ARCHIVED)


def skip_what_waits(made: Made) -> None:
    made.sql(f"update flush_progress set counter = {ENTRIES}")


def archive_and_say_nothing(made: Made) -> None:
    made.archive(ARCHIVED + 1)


def say_more_than_was_archived(made: Made) -> None:
    made.sql(f"update conversation set archived_seq = {ARCHIVED + 1}")


def archive_without_a_conversation(made: Made) -> None:
    made.sql("delete from conversation")


def give_a_seq_twice(made: Made) -> None:
    with made.backing.redis.client() as client:
        client.xadd(made.log, {"p": item(ENTRIES), "r": result(ENTRIES)}, id=f"1-{ENTRIES + 1}")


DAMAGE = [
    (lose_an_archived_row, "I1"),
    (skip_what_waits, "I1"),
    (archive_twice, "I2"),
    (give_a_seq_twice, "I2"),
    (archive_and_say_nothing, "I3"),
    (say_more_than_was_archived, "I3"),
    (archive_without_a_conversation, "I3"),
]


@pytest.mark.parametrize("spoil, rule", DAMAGE, ids=lambda value: value.__name__ if callable(value) else value)
def test_damage_is_found(made, spoil: Callable[[Made], None], rule: str) -> None:
    spoil(made)
    found = made.truth.contradictions()
    assert any(line.startswith(rule + ": ") for line in found), found


def test_a_journal_that_tells_another_story_is_found(made) -> None:
    made.sql("update message set n = 50, hash = 1 where seq = 2")
    with pytest.raises(AssertionError, match="in the journal"):
        StandardReader(made.backing).entries()
