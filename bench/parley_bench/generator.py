"""Runs the load generator against a server."""
import json
import shlex
import subprocess
from typing import Any, Dict, List

from .machine import LOAD, OTHER_CORE
from .servers import Server

last = ""  # the generator's arguments that say what was measured, for the page


class Refused(Exception):
    """The generator or the server failed; there is no figure."""


def load(server: Server, *arguments: str) -> Dict[str, Any]:
    command: List[str] = ["taskset", "-c", str(OTHER_CORE), str(LOAD), *arguments, *server.generator_arguments()]
    global last
    last = shlex.join(arguments)
    server.before_load()
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        tail = server.log.read_text(errors="replace")[-500:] if server.log.exists() else ""
        raise Refused(f"{server.name}: {done.stderr.strip()[-500:]} {tail}")
    result = json.loads(done.stdout)
    if result["errors"]:
        raise Refused(f"{server.name}: {result['errors']} errors, the first: {result['first_error']}")
    return {**result, **server.after_load(result)}
