"""Reads the daemon's store as a stranger would: tables, streams and Pack v1 decoded here anew, so that a bug in the daemon's own reader cannot hide.

Daemon.reader() gives the one that fits: StoreReader for the embedded store, StandardReader for Redis and PostgreSQL. Both answer the same questions.
"""
import json
import sqlite3
import struct
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, Iterable, Iterator, List, Optional, Tuple

from .servers import Backing

KINDS = {1: "text", 2: "note", 3: "claim", 4: "assign", 5: "transfer", 6: "close", 7: "reopen", 8: "edit", 9: "recall", 10: "event", 64: "void", 65: "refusal"}


@dataclass
class StoredEntry:
    """An entry, or (seq None) a remembered answer."""

    pos: int
    conv: str
    seq: Optional[int]
    type: str
    principal: str
    dev: str
    n: int
    internal: bool
    id: str
    body: Optional[Dict[str, Any]]  # None when recalled, or not JSON
    raw: bytes
    rev: Optional[int] = None
    ts_ns: int = 0
    hash: int = 0

    @property
    def text(self) -> Optional[str]:
        return self.body.get("text") if self.body else None


def read_pack(pack: bytes) -> List[Dict[str, Any]]:
    """Pack v1, as include/parley/protocol/pack.hpp describes it."""
    at = 0

    def take(count: int) -> bytes:
        nonlocal at
        if at + count > len(pack):
            raise ValueError(f"pack cut off at byte {at} of {len(pack)}")
        at += count
        return pack[at - count : at]

    def number(form: str) -> int:
        return struct.unpack("<" + form, take(struct.calcsize("<" + form)))[0]

    def varint() -> int:
        value = shift = 0
        while True:
            byte = take(1)[0]
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    version, _flags = take(1)[0], take(1)[0]
    if version != 1:
        raise ValueError(f"pack version {version}, this reads 1")
    items = []
    for _ in range(varint()):
        item: Dict[str, Any] = {"kind": KINDS[take(1)[0]], "tenant": number("Q"), "conv": number("Q"), "id": number("Q"), "ts_ns": number("q")}
        item["principal"] = f"{chr(take(1)[0])}:{number('Q')}"
        item["dev"] = urlsafe_b64encode(take(12)).decode()
        item["n"] = varint()
        item["hash"] = number("Q")
        item["claim"] = varint()
        item["audience"] = take(1)[0]
        item["codec"] = take(1)[0]
        item["key_id"] = number("Q")
        data = take(varint())
        item["bytes"] = unsnap(data) if item["codec"] == 1 else data
        items.append(item)
    if at != len(pack):
        raise ValueError(f"{len(pack) - at} bytes behind the pack")
    return items


def unsnap(data: bytes) -> bytes:
    """Raw Snappy, https://github.com/google/snappy/blob/main/format_description.txt"""
    at = size = shift = 0
    while True:
        byte = data[at]
        at += 1
        size |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            break
    out = bytearray()
    while at < len(data):
        tag = data[at]
        at += 1
        kind = tag & 3
        if kind == 0:
            length = tag >> 2
            if length >= 60:
                extra = length - 59
                length = int.from_bytes(data[at : at + extra], "little")
                at += extra
            out += data[at : at + length + 1]
            at += length + 1
            continue
        if kind == 1:
            length, offset = ((tag >> 2) & 7) + 4, ((tag >> 5) << 8) | data[at]
            at += 1
        else:
            width = 2 if kind == 2 else 4
            length, offset = (tag >> 2) + 1, int.from_bytes(data[at : at + width], "little")
            at += width
        for _ in range(length):
            out.append(out[-offset])
    if len(out) != size:
        raise ValueError(f"snappy: {len(out)} bytes instead of {size}")
    return bytes(out)


def entry_of(item: Dict[str, Any], pos: int, seq: Optional[int], rev: Optional[int]) -> StoredEntry:
    """From an item of a pack."""
    try:
        body = json.loads(item["bytes"]) if item["bytes"] else None
    except ValueError:
        body = None
    return StoredEntry(
        pos=pos,
        conv=str(item["conv"]),
        seq=seq,
        type=item["kind"],
        principal=item["principal"],
        dev=item["dev"],
        n=item["n"],
        internal=item["audience"] == 1,
        id=str(item["id"]),
        body=body if isinstance(body, dict) else None,
        raw=item["bytes"],
        rev=rev,
        ts_ns=item["ts_ns"],
        hash=item["hash"],
    )


def heads_of(entries: Iterable[StoredEntry]) -> Dict[str, Tuple[int, int]]:
    """Highest seq and highest public seq (0: none) of each conversation that has entries."""
    heads: Dict[str, Tuple[int, int]] = {}
    for entry in entries:
        if entry.seq is not None:
            head, public = heads.get(entry.conv, (0, 0))
            heads[entry.conv] = (max(head, entry.seq), public if entry.internal else max(public, entry.seq))
    return heads


class StoreReader:
    """The embedded store. Read-only; the daemon may run or not."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "parley.db"

    def query(self, sql: str, parameters: Tuple[Any, ...] = ()) -> List[Tuple[Any, ...]]:
        connection = sqlite3.connect(f"file:{self.path}?mode=ro", uri=True, timeout=10)
        try:
            return connection.execute(sql, parameters).fetchall()
        finally:
            connection.close()

    def entries(self) -> List[StoredEntry]:
        """All rows of the journal, in its order; bodies folded as the store keeps them."""
        return list(self._entries())

    def _entries(self) -> Iterator[StoredEntry]:
        for pos, seq, rev, blob in self.query("select pos, seq, rev, item from message order by pos"):
            (item,) = read_pack(blob)
            yield entry_of(item, pos, seq, rev)

    def heads(self) -> Dict[str, Tuple[int, int]]:
        return heads_of(self.entries())

    def conversations(self) -> Dict[str, int]:
        """Status (0 new, 1 waiting, 2 active, 3 closed) of every conversation."""
        return {str(conv): status for conv, status in self.query("select id, status from conversation")}

    def row_counts(self) -> Dict[str, int]:
        """Rows of every table: a run that writes nothing leaves these alone."""
        tables = [name for (name,) in self.query("select name from sqlite_master where type = 'table' and name not like 'sqlite_%'")]
        return {name: self.query(f'select count(*) from "{name}"')[0][0] for name in tables}


class StandardReader:
    """The standard store: PostgreSQL's rows, and what of the Redis streams is not among them yet. The servers run; the daemon may run or not."""

    OUTCOME_ENTRY, OUTCOME_ANSWER = 1, 2
    RESULT_BYTES = 26

    def __init__(self, backing: Backing) -> None:
        self._backing = backing

    def query(self, sql: str, parameters: Tuple[Any, ...] = ()) -> List[Tuple[Any, ...]]:
        """On PostgreSQL, which lags behind by a flush."""
        return self._backing.postgres.execute(self._backing.name, sql, parameters)

    def _key(self, shard: int, name: str) -> str:
        return f"{{{self._backing.prefix}:{shard}}}{name}"

    def entries(self) -> List[StoredEntry]:
        """As StoreReader.entries(); remembered answers only as long as they stand in a stream. What stands in both places must be the same."""
        # The streams first: what is trimmed meanwhile is archived.
        streamed = {entry.pos: entry for shard in range(self._backing.shards) for entry in self._streamed(shard)}
        archived = {entry.pos: entry for entry in self._archived()}
        for pos in streamed.keys() & archived.keys():
            mine, theirs = streamed[pos], archived[pos]
            for name in ("conv", "seq", "type", "principal", "dev", "n", "internal", "id", "ts_ns", "hash"):
                if getattr(mine, name) != getattr(theirs, name):
                    raise AssertionError(f"pos {pos}: {name} is {getattr(mine, name)!r} in the journal and {getattr(theirs, name)!r} in the archive")
        places = {(entry.conv, entry.seq): entry for entry in archived.values()}
        for pos, entry in sorted(streamed.items()):
            if pos in archived:
                continue
            if entry.seq is not None:
                if (entry.conv, entry.seq) in places:
                    raise AssertionError(f"pos {pos} is {entry.conv}/{entry.seq}, which is archived as pos {places[entry.conv, entry.seq].pos}")
                places[entry.conv, entry.seq] = entry
                if entry.type in ("edit", "recall"):
                    fold(places, entry)
            archived[pos] = entry
        return [archived[pos] for pos in sorted(archived)]

    def _streamed(self, shard: int) -> Iterator[StoredEntry]:
        with self._backing.redis.client() as client:
            batches = client.xrange(self._key(shard, "log"))
        for place, fields in batches:
            counter = int(place.partition(b"-")[2])
            results = fields[b"r"]
            items = read_pack(fields[b"p"])
            if len(results) != self.RESULT_BYTES * len(items):
                raise AssertionError(f"{place!r}: {len(results)} bytes of results for {len(items)} items")
            for index, item in enumerate(items):
                result = results[index * self.RESULT_BYTES : (index + 1) * self.RESULT_BYTES]
                seq = int.from_bytes(result[4:10], "little")
                if result[3] == self.OUTCOME_ENTRY:
                    yield entry_of(item, counter << 12 | index, seq, seq)
                elif result[3] == self.OUTCOME_ANSWER:
                    yield entry_of(item, counter << 12 | index, None, None)

    def _archived(self) -> Iterator[StoredEntry]:
        rows = self.query(
            "select pos, conv, seq, kind, principal_kind, principal_id, dev, n, audience, id, body, rev, ts_ns, hash from message order by pos"
        )
        for pos, conv, seq, kind, principal_kind, principal_id, dev, n, audience, ident, body, rev, ts_ns, hashed in rows:
            yield StoredEntry(
                pos=pos,
                conv=str(conv),
                seq=seq,
                type=KINDS[kind],
                principal=f"{chr(principal_kind)}:{principal_id}",
                dev=urlsafe_b64encode(bytes(dev)).decode(),
                n=n,
                internal=audience == 1,
                id=str(ident),
                body=body if isinstance(body, dict) else None,
                raw=json.dumps(body, ensure_ascii=False).encode() if body is not None else b"",
                rev=rev,
                ts_ns=ts_ns,
                hash=hashed & 0xFFFF_FFFF_FFFF_FFFF,
            )

    def is_archived(self) -> bool:
        """PostgreSQL has everything that stands in the streams now."""
        with self._backing.redis.client() as client:
            last = {shard: client.xrevrange(self._key(shard, "log"), count=1) for shard in range(self._backing.shards)}
        done = dict(self.query("select shard, counter from flush_progress"))
        return all(done.get(shard, -1) >= int(entry[0][0].partition(b"-")[2]) for shard, entry in last.items() if entry)

    def heads(self) -> Dict[str, Tuple[int, int]]:
        return heads_of(self.entries())

    def conversations(self) -> Dict[str, int]:
        found = {str(conv): status for conv, status in self.query("select id, status from conversation")}
        with self._backing.redis.client() as client:
            for shard in range(self._backing.shards):
                for field, core in client.hgetall(self._key(shard, "state")).items():
                    # head 6, public head 6, claim 4, status 1, …; without a head only refusals are remembered
                    if field[:1] == b"m" and len(field) == 9 and int.from_bytes(core[:6], "little") > 0:
                        found[str(int.from_bytes(field[1:], "little"))] = core[16]
        return found

    def row_counts(self) -> Dict[str, int]:
        """Rows of every table and elements of every key that appends write; not how far the daemon's own readers are, and which months there are."""
        own = ("flush_progress", "search_progress", "message_y", "message_search_y")
        tables = [name for (name,) in self.query("select tablename from pg_tables where schemaname = 'public'") if not name.startswith(own)]
        counts = {name: self.query(f'select count(*) from "{name}"')[0][0] for name in tables}
        with self._backing.redis.client() as client:
            for shard in range(self._backing.shards):
                counts[self._key(shard, "state")] = client.hlen(self._key(shard, "state"))
                try:
                    counts[self._key(shard, "log")] = client.xinfo_stream(self._key(shard, "log"))["entries-added"]
                except Exception as error:  # no such key: nothing was ever appended
                    if "no such key" not in str(error):
                        raise
                    counts[self._key(shard, "log")] = 0
        return counts


def fold(places: Dict[Tuple[str, Optional[int]], StoredEntry], by: StoredEntry) -> None:
    """What an edit or a recall does to what it targets, and to the edit before it."""
    body = by.body or {}
    target = places.get((by.conv, body.get("target")))
    if target is None or target.body is None:
        return
    earlier = places.get((by.conv, target.rev)) if target.rev not in (target.seq, by.seq) else None
    target.body = {**target.body, "text": body.get("text", "")} if by.type == "edit" else None
    target.rev = by.seq
    if earlier is not None and earlier.body is not None:
        earlier.body, earlier.rev = None, by.seq
