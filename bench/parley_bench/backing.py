"""Redis and PostgreSQL for a server that needs them: temporary data, on the other core, ended with the server."""
import os
import shutil
import subprocess
import sys
import tempfile
from typing import Any, Dict, Optional

from .machine import OTHER_CORE, SCRATCH


class Backing:
    """`appendfsync` or None for no Redis; `postgres`: with PostgreSQL, which syncs to disk."""

    def __init__(self, appendfsync: Optional[str] = None, postgres: bool = False) -> None:
        SCRATCH.mkdir(parents=True, exist_ok=True)
        os.environ["TMPDIR"] = tempfile.tempdir = str(SCRATCH)  # before the servers choose their folder
        from parley_test.servers import Postgres, Redis

        self.redis = Redis(appendfsync=appendfsync) if appendfsync else None
        self.postgres = Postgres(fsync=True, options={"shared_buffers": "256MB", "max_wal_size": "2GB"}) if postgres else None
        self.database = "bench"

    def start(self) -> None:
        cores = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {OTHER_CORE})  # inherited
        try:
            for server in self._servers().values():
                server.start()
        finally:
            os.sched_setaffinity(0, cores)
        if self.postgres:
            self.postgres.create_database(self.database)

    def _servers(self) -> Dict[str, Any]:
        return {name: server for name, server in (("redis", self.redis), ("postgres", self.postgres)) if server}

    def pids(self) -> Dict[str, int]:
        return {name: server.process.pid for name, server in self._servers().items()}

    def stop(self) -> None:
        for server in self._servers().values():
            try:
                server.stop()
            finally:
                server.dispose()


def missing(redis: bool, postgres: bool) -> Optional[str]:
    """Why a Backing cannot be had here, or None."""
    names = (["redis-server"] if redis else []) + (["/usr/lib/postgresql/15/bin/postgres"] if postgres else [])
    absent = [name for name in names if shutil.which(name) is None]
    if absent:
        return "not installed: " + ", ".join(absent)
    modules = (["redis"] if redis or postgres else []) + (["psycopg2"] if redis or postgres else [])
    done = subprocess.run([sys.executable, "-c", "import " + ", ".join(modules)] if modules else ["true"], capture_output=True)
    return None if done.returncode == 0 else "Python packages missing: python3-redis, python3-psycopg2"
