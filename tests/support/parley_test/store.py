"""Reads the daemon's store as a stranger would: SQLite and Pack v1 decoded here anew, so that a bug in the daemon's own reader cannot hide."""
import json
import sqlite3
import struct
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional, Tuple

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


class StoreReader:
    """Read-only; the daemon may run or not."""

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
        for pos, conv, seq, rev, blob in self.query("select pos, conv, seq, rev, item from message order by pos"):
            (item,) = read_pack(blob)
            try:
                body = json.loads(item["bytes"]) if item["bytes"] else None
            except ValueError:
                body = None
            yield StoredEntry(
                pos=pos,
                conv=str(conv),
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
            )

    def row_counts(self) -> Dict[str, int]:
        """Rows of every table: a run that writes nothing leaves these alone."""
        tables = [name for (name,) in self.query("select name from sqlite_master where type = 'table' and name not like 'sqlite_%'")]
        return {name: self.query(f'select count(*) from "{name}"')[0][0] for name in tables}
