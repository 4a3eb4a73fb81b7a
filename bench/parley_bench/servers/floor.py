from .. import machine
from .base import Server


class Floor(Server):
    name = "floor"
    protocol = "floor"
    stored = "nothing"
    remarks = "`bench/floor`: one thread of raw epoll that parses frames and the receiver's number, and nothing else: the limit of this machine."

    def begin(self) -> None:
        self.process = machine.spawn([str(machine.FLOOR), str(self.port)], self.log)
        machine.until(self.name, lambda: machine.accepts(self.port), self.process, self.log)

    def sign_in(self):
        return []
