import base64
import hashlib
import hmac
import json
import time
from typing import Dict, List, Optional

from .. import machine
from ..backing import Backing, missing
from .base import Server

SECRET = "bench-secret"


def _signed(claims: Dict[str, object]) -> str:
    """A JSON web token, HS256."""

    def part(value: bytes) -> bytes:
        return base64.urlsafe_b64encode(value).rstrip(b"=")

    body = part(b'{"alg":"HS256","typ":"JWT"}') + b"." + part(json.dumps(claims).encode())
    return (body + b"." + part(hmac.new(SECRET.encode(), body, hashlib.sha256).digest())).decode()


class Centrifugo(Server):
    name = protocol = "centrifugo"
    stored = "Redis, `everysec`; 300 s and 100 messages of each channel"
    remarks = "Centrifugo 5, Redis engine (Unix socket) with history and recovery on, JWT sign-in, visitors publish from the client. GOMAXPROCS=1, as it has one core."

    def __init__(self) -> None:
        self.backing: Optional[Backing] = None

    def missing(self) -> Optional[str]:
        if not (machine.PEERS / "centrifugo").exists():
            return "Centrifugo could not be built"
        return missing(redis=True, postgres=False)

    def begin(self) -> None:
        self.backing = Backing(appendfsync="everysec")
        self.backing.start()
        configuration = self.folder / "config.json"
        configuration.write_text(
            json.dumps(
                {
                    "address": "127.0.0.1",
                    "port": str(self.port),
                    "engine": "redis",
                    "redis_address": f"unix://{self.backing.redis.socket}",
                    "token_hmac_secret_key": SECRET,
                    "allowed_origins": ["*"],
                    "log_level": "error",
                    "client_user_connection_limit": 0,
                    "namespaces": [
                        {
                            "name": "chat",
                            "history_size": 100,
                            "history_ttl": "300s",
                            "force_recovery": True,
                            "allow_subscribe_for_client": True,
                            "allow_publish_for_client": True,
                        }
                    ],
                }
            )
        )
        self.process = machine.spawn([str(machine.PEERS / "centrifugo"), "--config", str(configuration)], self.log, env={"GOMAXPROCS": "1"})
        machine.until(self.name, lambda: machine.accepts(self.port), self.process, self.log)

    def sign_in(self) -> List[str]:
        return ["--token", _signed({"sub": "bench", "exp": int(time.time()) + 86400})]

    def other_pids(self) -> Dict[str, int]:
        return self.backing.pids() if self.backing else {}

    def end(self) -> None:
        if self.backing:
            self.backing.stop()
