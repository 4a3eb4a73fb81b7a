"""ws and socket.io, from npm."""
import shutil
from typing import List, Optional

from .. import machine
from .base import Server

SCRIPTS = machine.TOP / "bench" / "peers" / "node"


class _Node(Server):
    script = ""
    package = ""

    def missing(self) -> Optional[str]:
        if shutil.which("node") is None:
            return "Node.js is not installed"
        return None if (machine.PEERS / "node" / "node_modules" / self.package).is_dir() else "its npm packages could not be installed"

    def arguments(self) -> List[str]:
        return [str(self.port)]

    def begin(self) -> None:
        # require() looks for packages from the script's place on: it runs from where they were installed.
        script = machine.PEERS / "node" / self.script
        shutil.copyfile(SCRIPTS / self.script, script)
        self.process = machine.spawn(["node", str(script), *self.arguments()], self.log, env={"NODE_ENV": "production"})
        machine.until(self.name, lambda: machine.accepts(self.port), self.process, self.log)


class Ws(_Node):
    name = protocol = package = "ws"
    script = "ws.js"
    stored = "nothing"
    remarks = "`ws` of npm with bufferutil, compression off; a relay of thirty lines without sign-in."

    def sign_in(self) -> List[str]:
        return []


class SocketIo(_Node):
    name = protocol = package = "socket.io"
    script = "socketio.js"
    stored = "nothing"
    remarks = "`socket.io` of npm set up as its page on performance says: WebSocket only, compression off, bufferutil; one room per agent, acknowledgements."

    def arguments(self) -> List[str]:
        return [str(self.port), self.token]
