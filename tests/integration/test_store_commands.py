"""Commands of the operator about the store: migrations tried on a copy, and entries that PostgreSQL refused."""
import asyncio
import json

import pytest
from parley_test.daemon import Daemon
from parley_test.site import Site


def config(daemon: Daemon) -> str:
    daemon.write_config()
    return str(daemon.config)


@pytest.mark.store("embedded")
def test_nothing_is_pending_after_a_start_of_the_embedded_store(daemon) -> None:
    assert daemon.cli("migrate", "--check", "--config", str(daemon.config)).stdout == "schema 1: nothing is pending\n"
    assert [path.name for path in daemon.data.iterdir() if path.name.startswith("check-")] == []


@pytest.mark.store("embedded")
def test_an_older_file_is_tried_on_a_copy_and_stays_as_it_is(stopped_daemon) -> None:
    import sqlite3

    stopped_daemon.data.mkdir()
    db = sqlite3.connect(stopped_daemon.data / "parley.db")
    db.execute("create table schema_version (version integer primary key, applied_ns integer not null)")
    db.commit()
    out = stopped_daemon.cli("migrate", "--check", "--config", config(stopped_daemon)).stdout
    assert out.startswith("schema 0 -> 1, tried on a copy with 0 rows\nmigration 1: ") and "nothing was changed" in out
    assert db.execute("select count(*) from sqlite_master where type = 'table'").fetchall() == [(1,)]
    assert [path.name for path in stopped_daemon.data.iterdir() if path.name.startswith("check-")] == []


@pytest.mark.store("standard")
def test_migrations_of_postgres_are_tried_in_a_database_beside_it(stopped_daemon) -> None:
    daemon, postgres = stopped_daemon, stopped_daemon.backing.postgres
    refused = daemon.cli("migrate", "--check", "--config", config(daemon), check=False)
    assert refused.returncode == 1 and "createdb" in refused.stderr and refused.stderr.count("\n") == 1
    postgres.execute("postgres", "alter role parley createdb")
    try:
        found = json.loads(daemon.cli("migrate", "--check", "--json", "--config", str(daemon.config)).stdout)
    finally:
        postgres.execute("postgres", "alter role parley nocreatedb")
    assert found["present"] == 0 and [step["version"] for step in found["pending"]] == list(range(1, found["latest"] + 1))
    assert postgres.execute("postgres", "select count(*) from pg_database where datname like 'parley_check_%'") == [(0,)]
    assert postgres.execute(daemon.backing.name, "select to_regclass('message')") == [(None,)], "only a copy was touched"
    assert daemon.cli("migrate", "--config", str(daemon.config)).stdout == f"schema 0 -> {found['latest']}\n"
    assert "nothing to do" in daemon.cli("migrate", "--config", str(daemon.config)).stdout
    assert "nothing is pending" in daemon.cli("migrate", "--check", "--config", str(daemon.config)).stdout


@pytest.mark.store("standard")
async def test_dead_letters_are_listed_shown_and_put_back(daemon) -> None:
    def letters(*arguments: str, check: bool = True):
        return daemon.cli("dead-letters", *arguments, "--config", str(daemon.config), check=check)

    assert letters("list").stdout == ""
    visitor = await (await Site.make(daemon)).visitor()
    items = []
    backing = daemon.backing
    for text in ("first", "second"):
        await visitor.tell(text)
    deadline = asyncio.get_running_loop().time() + 20
    while backing.postgres.execute(backing.name, "select count(*) from message") != [(2,)]:
        assert asyncio.get_running_loop().time() < deadline
        await asyncio.sleep(0.05)
    with backing.redis.client() as redis:
        items = [fields[b"p"] for _, fields in redis.xrange("{" + backing.prefix + ":0}log")]
    # As the flusher leaves what PostgreSQL refuses.
    backing.postgres.execute(backing.name, """update message set flags = flags | 32, body = '{"text": ""}'""")
    for seq, item in enumerate(items, 1):
        backing.postgres.execute(
            backing.name, "insert into dead_letter (shard, counter, idx, conv, seq, reason, item, created_ns) values (0, %s, 0, %s, %s, 'no room', %s, %s)",
            (seq, visitor.own, seq, item, 1_700_000_000_000_000_000),
        )
    lines = letters("list").stdout.splitlines()
    assert lines[0] == f"1\t{visitor.own}\t1\t2023-11-14T22:13:20Z\tno room" and len(lines) == 2
    shown = json.loads(letters("show", "2").stdout)
    assert shown["body"]["text"] == "second" and shown["from"] == visitor.who and shown["state"] == "waiting"
    assert letters("replay", "1").stdout == "1: stands in its place now\n"
    again = letters("replay", "1", check=False)
    assert again.returncode == 1 and "does not wait any more" in again.stdout
    assert json.loads(letters("replay", "--all", "--json").stdout) == {"items": [{"id": 2, "done": True, "reason": ""}]}
    assert letters("list").stdout == ""
    assert [e.text for e in daemon.reader().entries()] == ["first", "second"]
    missing = letters("show", "77", check=False)
    assert missing.returncode == 1 and missing.stderr == "parley: there is no dead letter 77\n"
    assert letters("replay", check=False).returncode == 2, "which one is to be said"


@pytest.mark.store("embedded")
def test_the_embedded_store_has_no_dead_letters(stopped_daemon) -> None:
    refused = stopped_daemon.cli("dead-letters", "list", "--config", config(stopped_daemon), check=False)
    assert refused.returncode == 2 and "only the standard store" in refused.stderr


async def test_the_journal_is_printed_as_it_stands(daemon) -> None:
    site = await Site.make(daemon)
    visitor, other, agent = await site.visitor(), await site.visitor(), await site.agent()
    for text in ("你好", "second", "third"):
        await visitor.tell(text)
    await agent.watch(visitor.own)
    await agent.do(visitor.own, "claim", {})
    await agent.do(visitor.own, "note", {"text": "a note"})
    await agent.tell("wrong", visitor.own)
    await agent.do(visitor.own, "edit", {"target": 6, "text": "right"})

    async def archived() -> None:
        deadline = asyncio.get_running_loop().time() + 20
        while daemon.backing and not daemon.reader().is_archived():
            assert asyncio.get_running_loop().time() < deadline, "not archived within 20 s"
            await asyncio.sleep(0.05)

    def cat(*arguments: str):
        return [json.loads(line) for line in daemon.cli("journal", "cat", *arguments, "--config", str(daemon.config)).stdout.splitlines()]

    def compare(printed) -> None:
        stored = daemon.reader().entries()
        assert [(line["pos"], line["seq"], line["conv"], line["type"], line["id"], line["from"], line["dev"], line["n"]) for line in printed] == [
            (entry.pos, entry.seq or 0, entry.conv, entry.type, entry.id, entry.principal, entry.dev, entry.n) for entry in stored
        ]
        assert [(line["audience"], line["ts_ns"], line["body"]["text"]) for line in printed if line["type"] in ("text", "note")] == [
            ("internal" if entry.internal else "public", entry.ts_ns, entry.text) for entry in stored if entry.type in ("text", "note")
        ]

    await archived()
    everything = cat()
    compare(everything)
    assert [line["seq"] for line in everything] == [1, 2, 3, 4, 5, 6, 7] and everything[3]["claim"] == 1
    assert everything[5]["body"]["text"] == "right", "as it is now"

    # What waits for the archive: nobody can move on what this transaction holds.
    blocker = daemon.backing.postgres.connect(daemon.backing.name) if daemon.backing else None
    try:
        if blocker:
            blocker.cursor().execute("begin; lock table flush_progress in exclusive mode")
        await other.tell("not archived yet")
        await visitor.tell("neither")
        whole = cat()
        compare(whole)
        assert [line["body"]["text"] for line in whole[7:]] == ["not archived yet", "neither"]
        if blocker:
            assert not daemon.reader().is_archived()
    finally:
        if blocker:
            blocker.close()
    assert cat("--conv", other.own) == whole[7:8]
    assert cat("--conv", visitor.own, "--after", str(whole[3]["pos"])) == whole[4:7] + whole[8:]
    assert cat("--after", str(whole[5]["pos"]), "--limit", "2") == whole[6:8]
    await archived()
    assert cat() == whole, "the same before and after"


@pytest.mark.store("standard")
def test_a_journal_that_cannot_be_reached_is_said_in_one_line(stopped_daemon) -> None:
    refused = stopped_daemon.cli("journal", "cat", "--config", config(stopped_daemon), check=False)
    assert refused.returncode == 1 and "PostgreSQL" in refused.stderr and refused.stderr.count("\n") == 1
