"""The checker must see every kind of damage: each test takes a sound run and spoils one thing."""
from dataclasses import replace
from typing import Callable, List, Optional

import pytest
from checker import check
from parley_test.history import History
from parley_test.store import StoredEntry

CONV, VISITOR, AGENT, DEV, AGENT_DEV = "700", "v:1", "a:2", "AAAAAAAAAAAAAAAA", "BBBBBBBBBBBBBBBB"


def entry(seq: Optional[int], who: str, n: int, text: str, internal: bool = False, type: str = "", pos: int = 0) -> StoredEntry:
    kind = type or ("note" if internal else "text")
    body = {"text": text} if seq is not None else None
    return StoredEntry(pos or 100 + (seq or 0), CONV, seq, kind, who, DEV if who == VISITOR else AGENT_DEV, n, internal, f"90{seq}", body, b"", seq)


class Run:
    """A visitor and an agent: hello (1), an internal note (2), an answer (3), thanks (4), one refusal and one void."""

    def __init__(self) -> None:
        self.history = History()
        self.store: List[StoredEntry] = [
            entry(1, VISITOR, 1, "hello"),
            entry(2, AGENT, 1, "secret note", internal=True),
            entry(3, AGENT, 2, "good day"),
            entry(4, VISITOR, 2, "thanks"),
            entry(None, VISITOR, 3, "", type="refusal", pos=105),
            entry(None, VISITOR, 4, "", type="void", pos=106),
        ]
        self.received = {"visitor": ['{"t":"entry","seq":3,"skip":1,"body":{"text":"good day"}}']}
        self.secrets = ["secret note"]
        for client, who in (("visitor", VISITOR), ("agent", AGENT)):
            self.log(client, "ready", who=who)
            self.log(client, "member", who=who, after=0)
        self.send("visitor", VISITOR, 1, "hello")
        self.ack("visitor", VISITOR, 1, 1)
        self.send("agent", AGENT, 1, "secret note", "note")
        self.ack("agent", AGENT, 1, 2)
        self.send("agent", AGENT, 2, "good day")
        self.ack("agent", AGENT, 2, 3)
        self.send("visitor", VISITOR, 2, "thanks")
        self.send("visitor", VISITOR, 2, "thanks")
        self.ack("visitor", VISITOR, 2, 4)
        self.ack("visitor", VISITOR, 2, 4)
        self.send("visitor", VISITOR, 3, "rude")
        self.log("visitor", "refused", who=VISITOR, dev=DEV, n=3, code="filtered")
        self.send("visitor", VISITOR, 4, None, "void")
        self.ack("visitor", VISITOR, 4, 0)
        for row in self.store[:4]:
            self.log("agent", "stable", upto=row.seq)
            self.show("agent", row, 0)
            if not row.internal:
                self.show("visitor", row, 1 if row.seq == 3 else 0)
        self.log("visitor", "end", who=VISITOR, connected=True, cursors={CONV: ["e", 4]}, unanswered={})
        self.log("agent", "end", who=AGENT, connected=True, cursors={CONV: ["e", 4]}, unanswered={})

    def log(self, client: str, ev: str, **facts: object) -> None:
        self.history.log(client, ev, conv=CONV, **facts)

    def send(self, client: str, who: str, n: int, words: Optional[str], type: str = "text") -> None:
        self.log(client, "send", who=who, dev=DEV if who == VISITOR else AGENT_DEV, n=n, type=type, words=words, attempt=1)

    def ack(self, client: str, who: str, n: int, seq: int) -> None:
        self.log(client, "ack", who=who, dev=DEV if who == VISITOR else AGENT_DEV, n=n, seq=seq, **({"id": f"90{seq}"} if seq else {}))

    def show(self, client: str, row: StoredEntry, skip: int) -> None:
        self.log(
            client, "shown", seq=row.seq, skip=skip, id=row.id, type=row.type, principal=row.principal, dev=row.dev, n=row.n, rev=row.rev,
            internal=row.internal, words=row.text, via="live",
        )

    def events(self, client: str, ev: str) -> List[dict]:
        return [e for e in self.history.events if e["client"] == client and e["ev"] == ev]

    def drop(self, client: str, ev: str, index: int) -> None:
        self.history.events.remove(self.events(client, ev)[index])

    def verdict(self):  # type: ignore[no-untyped-def]
        return check(self.history, self.store, self.secrets, self.received)


def test_a_sound_run_passes() -> None:
    verdict = Run().verdict()
    assert verdict.ok, str(verdict)
    assert (verdict.acks, verdict.entries, verdict.shown) == (6, 4, 7)


def lose_an_acked_entry(run: Run) -> None:
    del run.store[3]


def store_a_send_twice(run: Run) -> None:
    run.store.append(entry(5, VISITOR, 2, "thanks"))
    for client in ("visitor", "agent"):
        run.show(client, run.store[-1], 0)


def store_a_seq_twice(run: Run) -> None:
    run.store.append(entry(4, AGENT, 3, "other", pos=120))


def leave_a_hole_in_the_store(run: Run) -> None:
    run.store[3] = replace(run.store[3], seq=5, rev=5)


def change_a_sender_order(run: Run) -> None:
    run.store[0], run.store[3] = replace(run.store[0], n=2), replace(run.store[3], n=1)


def change_the_words(run: Run) -> None:
    run.store[3] = replace(run.store[3], body={"text": "no thanks"})


def store_what_was_refused(run: Run) -> None:
    run.store[4] = entry(5, VISITOR, 3, "rude")
    for client in ("visitor", "agent"):
        run.show(client, run.store[4], 0)


def store_what_was_given_up(run: Run) -> None:
    run.store[5] = entry(5, VISITOR, 4, "late", type="text")
    for client in ("visitor", "agent"):
        run.show(client, run.store[5], 0)


def store_what_nobody_sent(run: Run) -> None:
    run.store.append(entry(5, VISITOR, 5, "from nowhere"))
    for client in ("visitor", "agent"):
        run.show(client, run.store[-1], 0)


def ack_without_an_entry(run: Run) -> None:
    run.send("visitor", VISITOR, 5, "lost")
    run.ack("visitor", VISITOR, 5, 5)


def ack_two_places(run: Run) -> None:
    run.events("visitor", "ack")[2]["seq"] = 3


def ack_with_another_id(run: Run) -> None:
    run.events("visitor", "ack")[0]["id"] = "1"


def ack_what_was_never_sent(run: Run) -> None:
    run.ack("visitor", VISITOR, 9, 4)


def ack_and_refuse(run: Run) -> None:
    run.log("visitor", "refused", who=VISITOR, dev=DEV, n=1, code="forbidden")


def show_twice(run: Run) -> None:
    run.show("agent", run.store[0], 0)


def show_out_of_order(run: Run) -> None:
    shown = run.events("agent", "shown")
    shown[1]["seq"], shown[2]["seq"] = shown[2]["seq"], shown[1]["seq"]


def show_a_hole(run: Run) -> None:
    run.drop("agent", "shown", 2)


def show_less_than_all_at_the_end(run: Run) -> None:
    run.drop("agent", "shown", 3)


def show_other_words(run: Run) -> None:
    run.events("agent", "shown")[3]["words"] = "thinks"


def show_another_author(run: Run) -> None:
    run.events("agent", "shown")[3]["principal"] = "a:3"


def show_what_is_not_stored(run: Run) -> None:
    run.show("agent", entry(5, VISITOR, 5, "phantom"), 0)


def show_a_send_at_two_places(run: Run) -> None:
    run.events("agent", "shown")[3]["n"] = 1


def skip_a_public_entry(run: Run) -> None:
    run.drop("visitor", "shown", 1)
    run.events("visitor", "shown")[1]["skip"] = 2


def forget_to_count_the_skip(run: Run) -> None:
    run.events("visitor", "shown")[1]["skip"] = 0


def show_a_note_to_a_visitor(run: Run) -> None:
    run.history.events.insert(-6, {**run.events("agent", "shown")[1], "client": "visitor"})


def leak_a_note_in_a_list(run: Run) -> None:
    run.received["visitor"].append('{"t":"delta","upsert":[{"last":{"text":"secret note"}}]}')


def miss_an_edit(run: Run) -> None:
    run.store[3] = replace(run.store[3], body={"text": "thank you"}, rev=5)
    run.store.append(entry(5, VISITOR, 5, "thank you", type="edit"))
    run.send("visitor", VISITOR, 5, "thank you", "edit")
    for client in ("visitor", "agent"):
        run.show(client, run.store[-1], 0)
    run.events("agent", "end")[0]["view"] = {CONV: {"1": "hello", "4": "thanks"}}


def keep_what_was_recalled(run: Run) -> None:
    run.store[3] = replace(run.store[3], body=None, rev=5)
    run.store.append(entry(5, VISITOR, 5, "", type="recall"))
    run.send("visitor", VISITOR, 5, None, "recall")
    for client in ("visitor", "agent"):
        run.show(client, run.store[-1], 0)
    run.events("visitor", "end")[0]["view"] = {CONV: {"4": "thanks"}}


def leave_a_send_unanswered(run: Run) -> None:
    run.events("visitor", "end")[0]["unanswered"] = {CONV: [5]}


def promise_an_archive_that_has_it_not(run: Run) -> None:
    run.log("visitor", "stable", upto=5)


DAMAGE = [
    (lose_an_acked_entry, "I1"),
    (store_a_send_twice, "I2"),
    (store_a_seq_twice, "I2"),
    (leave_a_hole_in_the_store, "I3"),
    (change_a_sender_order, "I3"),
    (change_the_words, "I3"),
    (store_what_was_refused, "I2"),
    (store_what_was_given_up, "I2"),
    (store_what_nobody_sent, "I2"),
    (ack_without_an_entry, "I1"),
    (ack_two_places, "I2"),
    (ack_with_another_id, "I3"),
    (ack_what_was_never_sent, "I1"),
    (ack_and_refuse, "I2"),
    (show_twice, "I2"),
    (show_out_of_order, "I3"),
    (show_a_hole, "I3"),
    (show_less_than_all_at_the_end, "I1"),
    (show_other_words, "I3"),
    (show_another_author, "I3"),
    (show_what_is_not_stored, "I1"),
    (show_a_send_at_two_places, "I2"),
    (skip_a_public_entry, "I3"),
    (forget_to_count_the_skip, "I3"),
    (show_a_note_to_a_visitor, "audience"),
    (leak_a_note_in_a_list, "audience"),
    (leave_a_send_unanswered, "I1"),
    (miss_an_edit, "I3"),
    (keep_what_was_recalled, "I3"),
    (promise_an_archive_that_has_it_not, "I1"),
]


@pytest.mark.parametrize("spoil, rule", DAMAGE, ids=lambda value: value.__name__ if callable(value) else value)
def test_damage_is_found(spoil: Callable[[Run], None], rule: str) -> None:
    run = Run()
    spoil(run)
    verdict = run.verdict()
    assert any(v.startswith(rule + ":") for v in verdict.violations), f"expected {rule}, got: {verdict}"


def test_a_client_that_was_away_at_the_end_may_show_less() -> None:
    run = Run()
    show_less_than_all_at_the_end(run)
    run.events("agent", "end")[0]["connected"] = False
    assert run.verdict().ok, str(run.verdict())


def test_a_reset_lets_a_client_begin_anew() -> None:
    run = Run()
    run.history.events[-2:-2] = [{"at": 0, "client": "agent", "ev": "reset", "conv": CONV}] + run.events("agent", "shown")
    assert run.verdict().ok, str(run.verdict())


def test_edited_words_may_differ_from_what_was_sent() -> None:
    run = Run()
    run.store[3] = replace(run.store[3], body={"text": "thank you"}, rev=5)
    run.store.append(entry(5, VISITOR, 5, "thank you", type="edit"))
    run.send("visitor", VISITOR, 5, "thank you", "edit")
    for client in ("visitor", "agent"):
        run.show(client, run.store[-1], 0)
    run.ack("visitor", VISITOR, 5, 5)
    assert run.verdict().ok, str(run.verdict())
