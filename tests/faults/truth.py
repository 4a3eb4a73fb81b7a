"""What the standard store must never say against itself, whatever happened to it: the journal against the archive, and the rows against each other."""
from typing import Dict, List, Optional, Tuple

from parley_test.daemon import Daemon
from parley_test.servers import Backing
from parley_test.store import StandardReader, StoredEntry

Place = Tuple[str, Optional[int]]


class StandardTruth:
    """Read-only; the daemon may run or not, both servers must run."""

    def __init__(self, backing: Backing) -> None:
        self._backing = backing
        self._reader = StandardReader(backing)

    def progress(self) -> Dict[int, int]:
        """The counter up to which each shard is archived."""
        return dict(self._reader.query("select shard, counter from flush_progress"))

    def journal(self) -> List[Tuple[int, StoredEntry]]:
        """(shard, entry) of all that the streams hold, archived or not; remembered answers left out."""
        return [(shard, entry) for shard in range(self._backing.shards) for entry in self._reader._streamed(shard) if entry.seq is not None]

    def ends(self) -> Dict[int, int]:
        """The last counter of each stream that has entries."""
        ends: Dict[int, int] = {}
        for shard, entry in self.journal():
            ends[shard] = max(ends.get(shard, 0), entry.pos >> 12)
        return ends

    def lag(self) -> int:
        """Entries that are not archived yet."""
        progress = self.progress()
        return sum(1 for shard, entry in self.journal() if entry.pos >> 12 > progress.get(shard, -1))

    def archived(self) -> int:
        return self._reader.query("select count(*) from message")[0][0]

    def contradictions(self) -> List[str]:
        progress = self.progress()  # first: what it covers must be among the rows that are read later
        journal = self.journal()
        return self._doubles(journal) + self._swallowed(journal, progress) + self._rows()

    @staticmethod
    def _doubles(journal: List[Tuple[int, StoredEntry]]) -> List[str]:
        found, places = [], {}  # type: List[str], Dict[Place, int]
        for _, entry in journal:
            first = places.setdefault((entry.conv, entry.seq), entry.pos)
            if first != entry.pos:
                found.append(f"I2: the journal has {entry.conv}/{entry.seq} twice, at {first} and {entry.pos}")
        return found

    def _swallowed(self, journal: List[Tuple[int, StoredEntry]], progress: Dict[int, int]) -> List[str]:
        rows = {(str(conv), seq) for conv, seq in self._reader.query("select conv, seq from message")}
        letters = {(shard, counter << 12 | index) for shard, counter, index in self._reader.query("select shard, counter, idx from dead_letter")}
        return [
            f"I1: {entry.conv}/{entry.seq} stands before the archive's position {progress[shard]} of shard {shard} and is not in PostgreSQL"
            for shard, entry in journal
            if entry.pos >> 12 <= progress.get(shard, -1) and (entry.conv, entry.seq) not in rows and (shard, entry.pos) not in letters
        ]

    def _rows(self) -> List[str]:
        """Each of these is one statement and so one snapshot: a flush in between does not matter."""
        found = [
            f"I2: PostgreSQL has {conv}/{seq} {count} times"
            for conv, seq, count in self._reader.query("select conv, seq, count(*) from message group by conv, seq having count(*) > 1")
        ]
        found += [
            f"I3: conversation {conv} says archived_seq {archived}, its {entries} rows end at {head}"
            for conv, archived, head, entries in self._reader.query(
                "select coalesce(c.id, m.conv), c.archived_seq, m.head, m.entries from conversation c "
                "full join (select conv, max(seq) as head, count(*) as entries from message group by conv) m on m.conv = c.id "
                "where c.id is null or c.archived_seq <> coalesce(m.head, 0) or c.archived_seq <> coalesce(m.entries, 0)"
            )
        ]
        return found


def truth_of(daemon: Daemon) -> Optional[StandardTruth]:
    """None for the embedded store, whose file is its only truth."""
    return StandardTruth(daemon.backing) if daemon.backing else None
