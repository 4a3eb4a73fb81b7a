"""The tester's hand on tests/support/disk_shim.c: power loss, lack of space and errors of the disk below a server that was started with env()."""
import errno
import mmap
import os
import random
import struct
import subprocess
from pathlib import Path
from typing import Dict, Optional

from .daemon import BINARY

SHIM = Path(os.environ.get("PARLEY_DISK_SHIM", BINARY.parents[2] / "tests/support/disk_shim.so"))
_HEAD = struct.Struct("=iiiiqq")  # write_errno, sync_errno, sync_sleep_ms, syncs, free_bytes, reserved
_FILE = struct.Struct("=Qq")  # inode, synced
_FILES = 4000
_FREE_BYTES_AT = 16


def cut_torn_transaction(data: Path) -> None:
    """Takes away what Redis 7.0 leaves of a transaction that was cut off in the middle; with `aof-load-truncated` it forgets it, but its beginning swallows what is written next. Parley
    does without this: it has the file rewritten (docs/reliability.md)."""
    manifest = data / "appendonlydir/appendonly.aof.manifest"
    if manifest.exists():
        done = subprocess.run(["redis-check-aof", "--fix", str(manifest)], input="y\n", capture_output=True, text=True)
        assert done.returncode == 0, f"redis-check-aof: {done.stdout[-1000:]}{done.stderr[-1000:]}"


class Disk:
    """The folder of one server, whose processes come and go. `state` is a file for what the shim remembers; it must not be below the folder."""

    def __init__(self, folder: Path, state: Path) -> None:
        assert SHIM.exists(), f"{SHIM} is missing: build the target disk_shim"
        self.folder, self.state = folder, state
        folder.mkdir(parents=True, exist_ok=True)
        with open(state, "wb") as out:
            out.truncate(_HEAD.size + _FILES * _FILE.size)
        with open(state, "r+b") as file:
            self._page = mmap.mmap(file.fileno(), 0)
        self.set_free(None)

    def env(self) -> Dict[str, str]:
        return {"LD_PRELOAD": str(SHIM), "PARLEY_DISK_FOLDER": str(self.folder), "PARLEY_DISK_STATE": str(self.state)}

    # ---- faults of the running server ----

    def fail(self, write: int = 0, sync: int = 0) -> None:
        """Every write or sync ends with this errno from now on; 0: no error."""
        struct.pack_into("=ii", self._page, 0, write, sync)

    def slow(self, sync_ms: int) -> None:
        struct.pack_into("=i", self._page, 8, sync_ms)

    def set_free(self, size: Optional[int]) -> None:
        """So many bytes more, then ENOSPC; None: without limit."""
        struct.pack_into("=q", self._page, _FREE_BYTES_AT, -1 if size is None else size)

    def fill(self) -> None:
        self.set_free(0)

    def break_it(self) -> None:
        """EIO for whatever is written or synced."""
        self.fail(errno.EIO, errno.EIO)

    def heal(self) -> None:
        self.fail()
        self.set_free(None)
        self.slow(0)

    @property
    def syncs(self) -> int:
        return _HEAD.unpack_from(self._page, 0)[3]

    # ---- power ----

    def _synced(self) -> Dict[int, int]:
        found: Dict[int, int] = {}
        for i in range(_FILES):
            inode, length = _FILE.unpack_from(self._page, _HEAD.size + i * _FILE.size)
            if inode == 0:
                break
            found[inode] = length
        return found

    def cut_power(self, dice: Optional[random.Random] = None) -> int:
        """After SIGKILL of the server: drops what was written and not synced, and says how many bytes that were. With `dice` a part of it reached the disk, cut off anywhere."""
        synced = self._synced()
        dropped = 0
        for path in sorted(p for p in self.folder.rglob("*") if p.is_file() and not p.is_symlink()):
            facts = path.stat()
            keep = min(synced.get(facts.st_ino, 0), facts.st_size)
            if dice and keep < facts.st_size:
                keep = dice.randint(keep, facts.st_size)
            if keep < facts.st_size:
                os.truncate(path, keep)
                dropped += facts.st_size - keep
        self.settle()  # what is left has been on the disk through a restart
        return dropped

    def tear_transaction(self, dice: random.Random) -> bool:
        """cut_power() which ends the append-only file in the middle of a command of a transaction, so that Redis finds its beginning; False if none was on its way."""
        synced = self._synced()
        (manifest,) = self.folder.glob("appendonlydir/*.manifest")
        path = manifest.parent / manifest.read_text(encoding="ascii").split("\n")[-2].split()[1]  # the last one is being written
        content = path.read_bytes()
        start = content.find(b"*1\r\n$5\r\nMULTI\r\n", synced.get(path.stat().st_ino, 0))
        end = content.find(b"*1\r\n$4\r\nEXEC\r\n", start)
        if start < 0 or end < 0:
            self.cut_power(dice)
            return False
        last = content.rindex(b"\n*", start, end) + 1
        os.truncate(path, dice.randint(last + 1, end - 1))
        self.settle()
        return True

    def settle(self) -> None:
        """What stands in the folder is on the disk, as after `sync`. For a stopped server."""
        self._page[_HEAD.size :] = bytes(_FILES * _FILE.size)
        files = [p.stat() for p in self.folder.rglob("*") if p.is_file() and not p.is_symlink()]
        for i, facts in enumerate(files):
            _FILE.pack_into(self._page, _HEAD.size + i * _FILE.size, facts.st_ino, facts.st_size)
