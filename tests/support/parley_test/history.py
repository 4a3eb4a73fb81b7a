"""The record of a run: what every client sent, was told and showed, in the order in which it happened there."""
import json
import time
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional

Event = Dict[str, Any]


class History:
    """One list for all clients of a test. Events:

    connect, ready, closed   a socket came and went (code)
    member                   from here on the client must be shown everything of `conv` after `after`
    send                     a send went on the wire (conv, n, type, words, attempt)
    ack, refused, error      its answer; `refused` consumed n, `error` did not
    shown                    an entry entered the client's view (via: live, page)
    stable                   the client was told that everything of `conv` up to `upto` is in the archive
    hole, timeout            the client had to ask again for what it missed
    reset                    the client was told to forget a conversation
    end                      the client's last word: its cursors, and whether it was connected
    """

    def __init__(self, path: Optional[Path] = None) -> None:
        self.events: List[Event] = []
        self._file = open(path, "w", encoding="utf-8") if path else None

    def log(self, client: str, ev: str, **facts: Any) -> None:
        event = {"at": time.monotonic_ns(), "client": client, "ev": ev, **facts}
        self.events.append(event)
        if self._file:
            self._file.write(json.dumps(event, ensure_ascii=False) + "\n")

    def of(self, client: str) -> Iterator[Event]:
        return (event for event in self.events if event["client"] == client)

    def count(self, ev: str) -> int:
        return sum(1 for event in self.events if event["ev"] == ev)

    def close(self) -> None:
        if self._file:
            self._file.close()
            self._file = None

    @staticmethod
    def load(path: Path) -> "History":
        history = History()
        with open(path, encoding="utf-8") as lines:
            history.events = [json.loads(line) for line in lines]
        return history
