import shutil
from typing import Optional

from .. import machine
from .base import Server


class Nats(Server):
    name = protocol = "nats"
    stored = "nothing"
    remarks = "`nats-server` of Debian, WebSocket listener without compression, core NATS in verbose mode: its `+OK` is the ack. GOMAXPROCS=1, as it has one core."

    def missing(self) -> Optional[str]:
        return None if shutil.which("nats-server") else "nats-server could not be installed"

    def begin(self) -> None:
        configuration = self.folder / "nats.conf"
        configuration.write_text(
            f"""listen: "127.0.0.1:{machine.free_port()}"
max_connections: 100000
authorization {{ token: "{self.token}" }}
websocket {{ listen: "127.0.0.1:{self.port}", no_tls: true, compression: false }}
"""
        )
        self.process = machine.spawn(["nats-server", "--config", str(configuration)], self.log, env={"GOMAXPROCS": "1"})
        machine.until(self.name, lambda: machine.accepts(self.port), self.process, self.log)
