"""A tenant with a site, people who answer and visitors, made over data/admin.sock and REST."""
import itertools
from dataclasses import dataclass, field
from typing import Any, Dict, List, Optional

import aiohttp

from .client import Client
from .daemon import Daemon
from .history import History
from .wire import Wire, new_dev

ORIGIN = "https://shop.example"
PASSWORD = "a long enough passphrase 42"
_numbers = itertools.count(1)


class Problem(AssertionError):
    """A REST answer that was not the expected one."""

    def __init__(self, status: int, body: Any) -> None:
        super().__init__(f"HTTP {status}: {body}")
        self.status = status
        self.body = body if isinstance(body, dict) else {}
        self.code = self.body.get("code")


class Rest:
    """The REST interface as one person sees it: nobody, a console with its cookie, or a bearer token."""

    def __init__(self, daemon: Daemon, bearer: Optional[str] = None) -> None:
        self._daemon = daemon
        self.bearer = bearer
        self.cookies: Dict[str, str] = {}

    async def call(
        self, method: str, path: str, body: Any = None, headers: Optional[Dict[str, str]] = None, raw: bool = False, csrf: bool = True
    ) -> Any:
        """The decoded answer; Problem unless 2xx. `raw` gives (status, headers, text) whatever comes."""
        sent: Dict[str, str] = {}
        if method != "GET" and csrf:
            sent.update({"Content-Type": "application/json", "X-Parley-CSRF": "1", "Origin": self._daemon.http})
        if self.bearer:
            sent["Authorization"] = f"Bearer {self.bearer}"
        if self.cookies:
            sent["Cookie"] = "; ".join(f"{k}={v}" for k, v in self.cookies.items())
        sent.update(headers or {})
        async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as http:
            async with http.request(
                method, self._daemon.http + path, json=body if body is not None else ({} if method in ("POST", "PUT", "PATCH") else None), headers=sent,
                allow_redirects=False,
            ) as answer:
                text = await answer.text()
                for name, morsel in answer.cookies.items():
                    self.cookies[name] = morsel.value
                if raw:
                    return answer.status, answer.headers, text
                if answer.status >= 300:
                    raise Problem(answer.status, await answer.json(content_type=None) if text else None)
                return await answer.json(content_type=None) if text else None

    async def get(self, path: str) -> Any:
        return await self.call("GET", "/api/v1" + path)

    async def post(self, path: str, body: Any = None) -> Any:
        return await self.call("POST", "/api/v1" + path, body)

    async def put(self, path: str, body: Any = None) -> Any:
        return await self.call("PUT", "/api/v1" + path, body)

    async def patch(self, path: str, body: Any = None) -> Any:
        return await self.call("PATCH", "/api/v1" + path, body)

    async def delete(self, path: str) -> Any:
        return await self.call("DELETE", "/api/v1" + path)

    async def fails(self, method: str, path: str, status: int, body: Any = None, **extra: Any) -> Dict[str, Any]:
        """The problem document of a call that must be refused with `status`."""
        try:
            answer = await self.call(method, "/api/v1" + path, body, **extra)
        except Problem as problem:
            assert problem.status == status, f"{method} {path}: wanted {status}, got {problem}"
            return problem.body
        raise AssertionError(f"{method} {path}: wanted {status}, got {answer}")


@dataclass
class Person:
    """Somebody who answers."""

    id: str
    name: str
    email: str
    role: str
    token: str


@dataclass
class Visitor:
    """A visitor's credentials; every call for a token is a new one of the same person."""

    rest: Rest
    key: str
    id: str = ""
    refresh: Optional[str] = None
    origin: str = ORIGIN

    async def token(self) -> str:
        body = {"key": self.key, **({"refresh": self.refresh} if self.refresh else {})}
        answer = await self.rest.call("POST", "/api/v1/widget/session", body, headers={"Origin": self.origin})
        self.id, self.refresh = answer["visitor"], answer["refresh"]
        self.last = answer["token"]
        return answer["token"]


@dataclass
class Site:
    daemon: Daemon
    history: History
    tenant: str  # slug
    tenant_id: str
    key: str
    channel: str
    people: Dict[str, Person] = field(default_factory=dict)
    clients: List[Client] = field(default_factory=list)

    @property
    def rest(self) -> Rest:
        return Rest(self.daemon)

    @classmethod
    async def make(cls, daemon: Daemon, history: Optional[History] = None, slug: str = "shop") -> "Site":
        made = await daemon.admin("tenants", {"name": slug.title(), "slug": slug, "locale": "en", "time_zone": "UTC"})
        channel = await daemon.admin("channels", {"tenant": slug, "name": "Web", "allowed_origins": [ORIGIN]})
        return cls(daemon, history or History(), slug, made["id"], channel["public_key"], channel["id"])

    async def hire(self, name: str, role: str = "agent") -> Person:
        email = f"{name.lower().replace(' ', '.')}.{next(_numbers)}@{self.tenant}.test"
        made = await self.daemon.admin("agents", {"tenant": self.tenant, "email": email, "display_name": name, "role": role, "password": PASSWORD})
        token = await self.daemon.admin("tokens", {"tenant": self.tenant, "email": email})
        person = Person(made["id"], name, email, role, token["token"])
        self.people[name] = person
        return person

    def rest_of(self, name: str) -> Rest:
        return Rest(self.daemon, self.people[name].token)

    def new_visitor(self) -> Visitor:
        return Visitor(self.rest, self.key)

    def visitor_client(self, name: str = "", visitor: Optional[Visitor] = None, url: Optional[str] = None, **extra: Any) -> Client:
        visitor = visitor or self.new_visitor()
        client = Client(url or self.daemon.ws, "visitor", name or f"visitor {next(_numbers)}", self.history, token=visitor.token, origin=ORIGIN, **extra)
        client.person = visitor  # type: ignore[attr-defined]
        self.clients.append(client)
        return client

    async def visitor(self, name: str = "", visitor: Optional[Visitor] = None, **extra: Any) -> Client:
        """A connected visitor."""
        client = self.visitor_client(name, visitor, **extra)
        await client.connect()
        return client

    def agent_client(self, name: str, url: Optional[str] = None, **extra: Any) -> Client:
        person = self.people[name]

        async def token() -> str:
            return person.token

        client = Client(url or self.daemon.ws, "agent", f"{name} {next(_numbers)}", self.history, token=token, **extra)
        self.clients.append(client)
        return client

    async def agent(self, name: str = "Li Na", role: str = "agent", **extra: Any) -> Client:
        """A connected agent, hired if there is none of that name."""
        if name not in self.people:
            await self.hire(name, role)
        client = self.agent_client(name, **extra)
        await client.connect()
        return client

    async def wire(self, visitor: Optional[Visitor] = None, hello: Optional[Dict[str, Any]] = None, **extra: Any) -> Wire:
        """A bare connection of a visitor that said hello and was answered (the `ready` is kept as wire.ready)."""
        visitor = visitor or self.new_visitor()
        wire = await Wire.open(self.daemon.ws, origin=ORIGIN, **extra)
        frame = {"t": "hello", "ver": 1, "role": "visitor", "token": await visitor.token(), "dev": new_dev(), "vis": True, "cursors": {}, **(hello or {})}
        wire.dev = frame["dev"]  # type: ignore[attr-defined]
        wire.ready = await wire.request(frame, "ready")  # type: ignore[attr-defined]
        return wire

    async def agent_wire(self, name: str = "Li Na", hello: Optional[Dict[str, Any]] = None) -> Wire:
        if name not in self.people:
            await self.hire(name)
        wire = await Wire.open(self.daemon.ws)
        frame = {"t": "hello", "ver": 1, "role": "agent", "token": self.people[name].token, "dev": new_dev(), "vis": True, "cursors": {}, **(hello or {})}
        wire.dev = frame["dev"]  # type: ignore[attr-defined]
        wire.ready = await wire.request(frame, "ready")  # type: ignore[attr-defined]
        return wire

    async def close(self) -> None:
        for client in self.clients:
            await client.close()
