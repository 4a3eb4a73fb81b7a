"""What the scenarios see of a server, be it Parley, the floor or a peer."""
import shutil
from pathlib import Path
from typing import Any, Dict, List, Optional

from .. import machine


class Server:
    """A context manager: started on free loopback ports with temporary data when entered, gone when left."""

    name = ""
    protocol = ""  # of the load generator
    stored = ""  # what is stored before the sender gets its ack, for the tables
    remarks = ""  # how it is set up, for the page
    token = "bench-token"

    def missing(self) -> Optional[str]:
        """Why it cannot be run here, or None."""
        return None

    def begin(self) -> None:
        """Starts it and waits until it answers; sets `process`, its log is `log`."""
        raise NotImplementedError

    def end(self) -> None:
        """Whatever else was started."""

    def other_pids(self) -> Dict[str, int]:
        """Servers beside it whose CPU counts too, by name."""
        return {}

    def sign_in(self) -> List[str]:
        """Arguments of the load generator."""
        return ["--token", self.token]

    def before_load(self) -> None:
        pass

    def after_load(self, result: Dict[str, Any]) -> Dict[str, Any]:
        """Figures that only the server itself knows, to be joined to the generator's."""
        return {}

    # ---- life ----
    def __enter__(self) -> "Server":
        self.folder = machine.scratch_folder(self.name)
        self.log: Path = self.folder / "server.log"
        self.port = machine.free_port()
        self.process: Any = None
        try:
            self.begin()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: Any) -> None:
        if self.process is not None:
            machine.stop(self.process)
        self.end()
        shutil.rmtree(self.folder, ignore_errors=True)

    def generator_arguments(self) -> List[str]:
        arguments = ["--protocol", self.protocol, "--port", str(self.port), *self.sign_in(), "--server", self.name, str(self.process.pid)]
        for name, pid in self.other_pids().items():
            arguments += ["--server", name, str(pid)]
        return arguments
