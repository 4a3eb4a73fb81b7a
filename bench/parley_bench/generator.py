"""Runs the load generator against a server."""
import json
import os
import shlex
import subprocess
from typing import Any, Dict, List

from .machine import LOAD, OTHER_CORE
from .servers import Server

last = ""  # the generator's arguments that say what was measured, for the page


class Refused(Exception):
    """The generator or the server failed; there is no figure."""


def _go_first() -> None:
    """Whoever keeps a schedule comes before the stores on its core: real visitors bring their own. (Being nice is not enough: Linux lets a running thread finish its slice, 3 ms.) Without the right to it, runs may end as invalid."""
    try:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    except PermissionError:
        pass


class Load:
    """A generator that runs; killed when left before its end."""

    def __init__(self, server: Server, *arguments: str, urgent: bool = True) -> None:
        global last
        last = shlex.join(arguments)
        self.server = server
        command: List[str] = ["taskset", "-c", str(OTHER_CORE), str(LOAD), *arguments, *server.generator_arguments()]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=_go_first if urgent and "--rate" in arguments else None)

    def __enter__(self) -> "Load":
        return self

    def __exit__(self, *_: Any) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()

    def until_standing(self) -> None:
        """With --hold: until all sessions are there."""
        assert self.process.stdout
        if self.process.stdout.readline().strip() != "standing":
            self.result()

    def result(self) -> Dict[str, Any]:
        """Waits for the end; with --hold, asks for it."""
        out, errors = self.process.communicate()
        if self.process.returncode != 0:
            log = self.server.log
            raise Refused(f"{self.server.name}: {errors.strip()[-500:]} {log.read_text(errors='replace')[-500:] if log.exists() else ''}")
        result = json.loads(out)
        if result["errors"]:
            raise Refused(f"{self.server.name}: {result['errors']} errors, the first: {result['first_error']}")
        return result


def load(server: Server, *arguments: str) -> Dict[str, Any]:
    """A whole run, and what the server says of it."""
    server.before_load()
    with Load(server, *arguments) as running:
        result = running.result()
    return {**result, **server.after_load(result)}
