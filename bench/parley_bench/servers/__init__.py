"""Everything that can be measured, by name."""
from typing import Callable, Dict

from .base import Server
from .centrifugo import Centrifugo
from .ejabberd import Ejabberd
from .floor import Floor
from .nats import Nats
from .node import SocketIo, Ws
from .parley import Parley

PARLEY: Dict[str, Callable[[], Server]] = {f"parley-{store}": lambda store=store: Parley(store) for store in ("embedded", "always", "everysec")}
PEERS: Dict[str, Callable[[], Server]] = {"ws": Ws, "socket.io": SocketIo, "nats": Nats, "centrifugo": Centrifugo, "ejabberd": Ejabberd}
ALL: Dict[str, Callable[[], Server]] = {"floor": Floor, **PARLEY, **PEERS}

__all__ = ["ALL", "PARLEY", "PEERS", "Parley", "Server"]
