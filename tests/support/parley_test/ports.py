"""Loopback ports for servers that are started a little later."""
import itertools
import random
import socket

_first = random.randrange(10000)  # processes that run side by side start at different places
_ports = (20000 + (_first + n) % 10000 for n in itertools.count())


def free_port() -> int:
    """A port nobody listens on, below the range from which the kernel picks by itself. Not given twice, since whoever asked may listen much later."""
    for port in _ports:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
    raise AssertionError("unreachable: the ports go round")
