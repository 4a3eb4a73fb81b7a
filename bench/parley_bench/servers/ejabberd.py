import os
import shutil
import subprocess
import sysconfig
from pathlib import Path
from typing import Dict, Optional

from .. import machine
from ..backing import Backing, missing
from .base import Server

SCHEMA = Path("/usr/share/ejabberd/sql/pg.sql")
USERS = 40_000  # u0 …: the load generator names them by number

CONFIGURATION = """
hosts: [localhost]
loglevel: error
listen:
  - {{port: {port}, ip: "127.0.0.1", module: ejabberd_http, backlog: 1000, request_handlers: {{/ws: ejabberd_http_ws}}}}
default_db: sql
auth_method: [sql]
auth_password_format: plain
sql_type: pgsql
sql_server: "127.0.0.1"
sql_port: {sql_port}
sql_database: {database}
sql_username: parley
sql_pool_size: 10
modules:
  mod_mam: {{db_type: sql, default: always, request_activates_archiving: false}}
  mod_offline: {{}}
  mod_roster: {{}}
  mod_stream_mgmt: {{}}
"""


class Ejabberd(Server):
    name = "ejabberd"
    protocol = "xmpp"
    stored = "PostgreSQL (`mod_mam`, one row for each side)"
    remarks = "`ejabberd` of Debian, XMPP over WebSocket, accounts and archive (`mod_mam`, always) in PostgreSQL, stream management: its `<a/>` is the ack. No shapers."

    def __init__(self) -> None:
        self.backing: Optional[Backing] = None

    def missing(self) -> Optional[str]:
        if shutil.which("erl") is None or not SCHEMA.exists():
            return "ejabberd could not be installed"
        return missing(redis=False, postgres=True)

    def begin(self) -> None:
        self.backing = Backing(postgres=True)
        self.backing.start()
        postgres = self.backing.postgres
        subprocess.run(["psql", "-q", "-v", "ON_ERROR_STOP=1", "-f", str(SCHEMA), postgres.conninfo(self.backing.database)], check=True, stdout=subprocess.DEVNULL)
        postgres.execute(self.backing.database, f"insert into users (username, password) select 'u' || i, %s from generate_series(0, {USERS}) i", [self.token])
        configuration = self.folder / "ejabberd.yml"
        configuration.write_text(CONFIGURATION.format(port=self.port, sql_port=postgres.port, database=self.backing.database))
        # Started without its control script: that one wants a user of its own and names the node to the whole machine.
        environment = {
            "HOME": str(self.folder),
            "ERL_LIBS": f"/usr/lib/{sysconfig.get_config_var('MULTIARCH')}",
            "EJABBERD_CONFIG_PATH": str(configuration),
            "EJABBERD_LOG_PATH": str(self.folder / "ejabberd.log"),
            "ERL_CRASH_DUMP": os.devnull,
        }
        command = ["erl", "-noinput", "+K", "true", "+P", "250000", "+Q", "65536", "-mnesia", "dir", f'"{self.folder}/mnesia"', "-s", "ejabberd"]
        self.process = machine.spawn(command, self.log, env=environment, cwd=self.folder)
        machine.until(self.name, lambda: machine.accepts(self.port), self.process, self.log)

    def other_pids(self) -> Dict[str, int]:
        return self.backing.pids() if self.backing else {}

    def end(self) -> None:
        if self.backing:
            self.backing.stop()
