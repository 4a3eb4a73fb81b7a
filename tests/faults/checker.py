"""Judges a run: compares what every client sent, was told and showed (parley_test.history) with what stands in the store (parley_test.store).

I1  Every acknowledged entry is in the store, and was shown to every member that was connected at the end. So is what a client was told to be archived.
I2  (conv, seq) and (conv, principal, dev, n) are unique; each entry was shown once.
I3  What a client showed of a conversation is contiguous (counting `skip`) and identical to the store; a sender's n order is the order of seq. With all edits and recalls, what it
    shows in the end is what the store has.
And: no ack without an entry, no entry without a send, refusals and voids have no entry, visitors never see what is internal.
"""
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any, Dict, Iterable, List, Optional, Set, Tuple

from parley_test.history import Event, History
from parley_test.store import StoredEntry

SendKey = Tuple[str, str, str, int]  # conv, principal, dev, n


@dataclass
class Verdict:
    violations: List[str] = field(default_factory=list)
    acks: int = 0
    entries: int = 0
    shown: int = 0

    @property
    def ok(self) -> bool:
        return not self.violations

    def __str__(self) -> str:
        if self.ok:
            return f"sound: {self.acks} acks, {self.entries} entries, {self.shown} shown"
        more = len(self.violations) - 20
        return "\n".join(self.violations[:20] + ([f"… and {more} more"] if more > 0 else []))


class Checker:
    """`secrets` are texts that no visitor may receive in any form; `received` what each client got, byte for byte (by client name)."""

    def __init__(
        self, history: History, entries: Iterable[StoredEntry], secrets: Iterable[str] = (), received: Optional[Dict[str, Iterable[str]]] = None
    ) -> None:
        self._history = history
        self._rows = list(entries)
        self._secrets = list(secrets)
        self._received = received or {}
        self._verdict = Verdict()
        self._by_seq: Dict[Tuple[str, int], StoredEntry] = {}
        self._by_send: Dict[SendKey, StoredEntry] = {}
        self._head: Counter = Counter()
        self._public_head: Counter = Counter()

    def run(self) -> Verdict:
        self._check_store()
        self._check_answers()
        self._check_stable()
        self._check_origin()
        for client in sorted({event["client"] for event in self._history.events}):
            self._check_view(client, list(self._history.of(client)))
        self._check_secrets()
        return self._verdict

    def _blame(self, rule: str, what: str) -> None:
        self._verdict.violations.append(f"{rule}: {what}")

    # ---- the store by itself ----

    def _check_store(self) -> None:
        last_n: Dict[Tuple[str, str, str], int] = {}
        for row in sorted(self._rows, key=lambda r: r.pos):
            key = (row.conv, row.principal, row.dev, row.n)
            if key in self._by_send:
                self._blame("I2", f"{describe(row)} has the identity of {describe(self._by_send[key])}")
            self._by_send.setdefault(key, row)
            if row.seq is None:
                continue
            self._verdict.entries += 1
            if (row.conv, row.seq) in self._by_seq:
                self._blame("I2", f"two entries are {row.conv}/{row.seq}")
            self._by_seq[row.conv, row.seq] = row
            if row.seq != self._head[row.conv] + 1:
                self._blame("I3", f"{row.conv}: seq {row.seq} follows {self._head[row.conv]} in the store")
            self._head[row.conv] = max(self._head[row.conv], row.seq)
            if not row.internal:
                self._public_head[row.conv] = max(self._public_head[row.conv], row.seq)
            sender = (row.conv, row.principal, row.dev)
            if row.n <= last_n.get(sender, 0):
                self._blame("I3", f"{describe(row)} comes behind n {last_n[sender]} of the same sender")
            last_n[sender] = row.n

    # ---- what senders were told ----

    def _check_answers(self) -> None:
        words = {send_key(e): e.get("words") for e in self._history.events if e["ev"] == "send"}
        told: Dict[SendKey, Tuple[str, Any]] = {}
        for event in self._history.events:
            if event["ev"] not in ("ack", "refused"):
                continue
            key = send_key(event)
            answer = (event["ev"], event.get("seq", 0) if event["ev"] == "ack" else event.get("code"))
            if key not in words:
                self._blame("I1", f"{event['client']}: {event['ev']} for {key}, which was never sent")
            if told.setdefault(key, answer) != answer:
                self._blame("I2", f"{event['client']}: {key} was answered {told[key]} and later {answer}")
            if event["ev"] == "ack":
                self._check_ack(event, key, words.get(key))
            else:
                row = self._by_send.get(key)
                if row is not None and row.seq is not None:
                    self._blame("I2", f"{event['client']}: {key} was refused ({event.get('code')}) and stands in the store as {describe(row)}")

    def _check_ack(self, event: Event, key: SendKey, words: Optional[str]) -> None:
        self._verdict.acks += 1
        seq = event.get("seq", 0)
        row = self._by_send.get(key)
        if seq == 0:
            if row is not None and row.seq is not None:
                self._blame("I2", f"{event['client']}: {key} was given up and stands in the store as {describe(row)}")
            return
        if row is None or row.seq is None:
            self._blame("I1", f"{event['client']}: {key} was acknowledged as seq {seq} and is not in the store")
        elif row.seq != seq:
            self._blame("I3", f"{event['client']}: {key} was acknowledged as seq {seq} and stands at {row.seq}")
        elif event.get("id") not in (None, row.id):
            self._blame("I3", f"{event['client']}: {key} was acknowledged with id {event['id']} and has {row.id}")
        elif unchanged(row) and row.type in ("text", "note") and row.text != words:
            self._blame("I3", f"{event['client']}: {key} was sent as {words!r} and stored as {row.text!r}")

    def _check_stable(self) -> None:
        for event in self._history.events:
            if event["ev"] == "stable" and event["upto"] > self._head[event["conv"]]:
                self._blame("I1", f"{event['client']}: was told that {event['conv']} is archived up to {event['upto']}, and the store ends at {self._head[event['conv']]}")

    def _check_origin(self) -> None:
        sent: Dict[SendKey, Event] = {}
        senders: Set[Tuple[str, str]] = set()
        for event in self._history.events:
            if event["ev"] == "send":
                sent[send_key(event)] = event
                senders.add((event["who"], event["dev"]))
        for key, row in self._by_send.items():
            if (row.principal, row.dev) not in senders:
                continue  # not one of ours: the system, or a client outside of this run
            event = sent.get(key)
            if event is None:
                self._blame("I2", f"{describe(row)} was never sent")
            elif row.seq is not None and unchanged(row) and row.type in ("text", "note") and row.text != event.get("words"):
                self._blame("I3", f"{describe(row)} was sent as {event.get('words')!r} and stored as {row.text!r}")

    # ---- what a client showed ----

    def _check_view(self, client: str, events: List[Event]) -> None:
        end = next((e for e in reversed(events) if e["ev"] == "end"), None)
        is_visitor = any(e.get("who", "").startswith("v:") for e in events)
        last: Dict[str, int] = {}
        seen: Dict[str, Set[int]] = defaultdict(set)
        places: Dict[SendKey, int] = {}
        member: Set[str] = set()
        for event in events:
            conv = event.get("conv", "")
            if event["ev"] == "member":
                member.add(conv)
                if event.get("after") is not None:
                    last.setdefault(conv, event["after"])
            elif event["ev"] == "reset":
                last.pop(conv, None)
                seen.pop(conv, None)
            elif event["ev"] == "shown":
                self._check_shown(client, event, is_visitor, last, seen[conv], places)
        if end and end["connected"]:
            self._check_end(client, end, is_visitor, member, last)

    def _check_shown(self, client: str, event: Event, is_visitor: bool, last: Dict[str, int], seen: Set[int], places: Dict[SendKey, int]) -> None:
        self._verdict.shown += 1
        conv, seq, skip = event["conv"], event["seq"], event.get("skip", 0)
        where = f"{client}: {conv}/{seq}"
        if seq in seen:
            self._blame("I2", f"{where} was shown twice")
        seen.add(seq)
        if conv in last and seq != last[conv] + 1 + skip:
            self._blame("I3", f"{where} (skip {skip}) was shown behind {last[conv]}")
        hidden = [s for s in range(seq - skip, seq) if (conv, s) in self._by_seq and not self._by_seq[conv, s].internal]
        if hidden:
            self._blame("I3", f"{where} skips {hidden}, which are public")
        last[conv] = max(seq, last.get(conv, 0))
        if is_visitor and event.get("internal"):
            self._blame("audience", f"{where}: a visitor was shown something internal")

        row = self._by_seq.get((conv, seq))
        if row is None:
            self._blame("I1", f"{where} was shown and is not in the store")
            return
        if is_visitor and row.internal:
            self._blame("audience", f"{where}: a visitor was shown {describe(row)}")
        mine = (event.get("principal"), event.get("type"), event.get("id"))
        stored = (row.principal, row.type, row.id)
        if mine != stored:
            self._blame("I3", f"{where} was shown as {mine} and stands in the store as {stored}")
        elif unchanged(row) and event.get("rev") == seq and row.type in ("text", "note") and event.get("words") != row.text:
            self._blame("I3", f"{where} was shown as {event.get('words')!r} and stands in the store as {row.text!r}")
        if event.get("dev") and event.get("n"):
            key = (conv, event["principal"], event["dev"], event["n"])
            if places.setdefault(key, seq) != seq:
                self._blame("I2", f"{where}: the same send {key} was shown at {places[key]} too")
            if (row.dev, row.n) != (event["dev"], event["n"]):
                self._blame("I3", f"{where} was shown as the send {event['dev']}/{event['n']} and is {row.dev}/{row.n}")

    def _check_end(self, client: str, end: Event, is_visitor: bool, member: Set[str], last: Dict[str, int]) -> None:
        for conv in sorted(member):
            head = self._public_head[conv] if is_visitor else self._head[conv]
            if last.get(conv, 0) < head:
                self._blame("I1", f"{client}: was connected at the end and shows {conv} up to {last.get(conv, 0)} of {head}")
        for conv, texts in (end.get("view") or {}).items():
            for seq, words in texts.items():
                row = self._by_seq.get((conv, int(seq)))
                if row is not None and row.text != words:
                    self._blame("I3", f"{client}: reads {words!r} at {conv}/{seq} in the end, where the store has {row.text!r}")
        for conv, numbers in (end.get("unanswered") or {}).items():
            self._blame("I1", f"{client}: was connected at the end and has no answer to {conv} n {numbers}")

    def _check_secrets(self) -> None:
        visitors = {e["client"] for e in self._history.events if e.get("who", "").startswith("v:")}
        for client in sorted(visitors):
            for message in self._received.get(client, ()):
                for secret in self._secrets:
                    if secret in message:
                        self._blame("audience", f"{client}: received {secret!r} in {message[:200]}")


def check(history: History, entries: Iterable[StoredEntry], secrets: Iterable[str] = (), received: Optional[Dict[str, Iterable[str]]] = None) -> Verdict:
    return Checker(history, entries, secrets, received).run()


def send_key(event: Event) -> SendKey:
    return event["conv"], event["who"], event["dev"], event["n"]


def unchanged(row: StoredEntry) -> bool:
    """Neither edited nor recalled: the store still has the words that were sent."""
    return row.rev in (None, row.seq) and row.body is not None


def describe(row: StoredEntry) -> str:
    place = f"{row.conv}/{row.seq}" if row.seq is not None else f"{row.conv} (no seq)"
    return f"{row.type} {place} of {row.principal} {row.dev} n {row.n}"
