"""Thousands of visitors who sit and wait: bare connections without a library, as light as they can be, that come back by themselves as docs/protocol.md says."""
import asyncio
import base64
import json
import os
import random
from typing import Dict, List, Optional

from parley_test.site import ORIGIN, Site
from parley_test.wire import Frame, new_dev

PEOPLE_PER_ADDRESS = 100  # new connections are counted by address


class Guest(asyncio.Protocol):
    """One visitor with a conversation of its own. Its messages are small enough that each arrives as one frame."""

    def __init__(self, crowd: "Crowd", number: int) -> None:
        self.crowd, self.number = crowd, number
        self.dev = new_dev()
        self.token = ""
        self.resume: Optional[str] = None
        self.conv, self.epoch, self.head = "", "", 0
        self.known: Dict[int, str] = {}  # by seq: ids of the entries it showed
        self.live = False
        self.attempts = 0
        self._inside = b""
        self._upgraded = False
        self._transport: Optional[asyncio.Transport] = None

    async def connect(self) -> None:
        address = f"127.1.{self.number // PEOPLE_PER_ADDRESS // 250}.{self.number // PEOPLE_PER_ADDRESS % 250 + 1}"
        self._inside, self._upgraded = b"", False
        self.attempts += 1
        await self.crowd.loop.create_connection(lambda: self, "127.0.0.1", self.crowd.site.daemon.port, local_addr=(address, 0))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        key = base64.b64encode(os.urandom(16)).decode()
        transport.write(
            f"GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n"
            f"Sec-WebSocket-Protocol: parley.v1\r\nOrigin: {ORIGIN}\r\n\r\n".encode()
        )

    def send(self, frame: Frame) -> None:
        payload = json.dumps(frame, separators=(",", ":")).encode()
        head = bytes([0x81, 0x80 | len(payload)]) if len(payload) < 126 else bytes([0x81, 0x80 | 126]) + len(payload).to_bytes(2, "big")
        assert self._transport
        self._transport.write(head + bytes(4) + payload)

    def hello(self) -> None:
        cursors = {self.conv: [self.epoch, self.head]} if self.head else {}
        frame = {"t": "hello", "id": 1, "ver": 1, "role": "visitor", "token": self.token, "dev": self.dev, "vis": True, "cursors": cursors}
        self.send({**frame, "resume": self.resume} if self.resume else frame)

    def data_received(self, data: bytes) -> None:
        self._inside += data
        if not self._upgraded:
            head, found, rest = self._inside.partition(b"\r\n\r\n")
            if not found:
                return
            if b" 101 " not in head.split(b"\r\n")[0]:
                assert self._transport
                self._transport.abort()
                return
            self._upgraded, self._inside = True, rest
            self.hello()
        while len(self._inside) >= 2:
            begin, size = 2, self._inside[1] & 127
            if size == 126:
                begin, size = 4, int.from_bytes(self._inside[2:4], "big")
            if len(self._inside) < begin + size:
                return
            payload, kind = self._inside[begin : begin + size], self._inside[0] & 15
            self._inside = self._inside[begin + size :]
            if kind == 1:
                parsed = json.loads(payload)
                for frame in parsed if isinstance(parsed, list) else [parsed]:
                    self.on_frame(frame)

    def on_frame(self, frame: Frame) -> None:
        kind = frame["t"]
        if kind == "ping":
            self.send({"t": "pong"})
        elif kind == "ready":
            self.resume, self.live = frame["resume"], True
            self.crowd.changed()
            if not self.head and frame["conv"]["status"] == "new":
                self.conv = frame["conv"]["conv"]
                self.send({"t": "send", "conv": self.conv, "n": 1, "type": "text", "body": {"text": f"guest {self.number}"}})
        elif kind == "ack":
            self.epoch = frame["epoch"]
            self.crowd.changed()
        elif kind == "entry" and frame["conv"] == self.conv:
            assert self.known.setdefault(frame["seq"], frame["id"]) == frame["id"], f"guest {self.number}: seq {frame['seq']} is another entry now"
            self.head = max(self.head, frame["seq"])
            self.crowd.changed()

    def connection_lost(self, failure: Optional[Exception]) -> None:
        self.live = False
        self.crowd.lost(self)

    def leave(self) -> None:
        if self._transport:
            self._transport.abort()


class Crowd:
    def __init__(self, site: Site, count: int, seed: int) -> None:
        self.site = site
        self.guests: List[Guest] = [Guest(self, i) for i in range(count)]
        self.loop = asyncio.get_running_loop()
        self.refused = 0  # connections that ended before they were live
        self._random = random.Random(seed)
        self._something = asyncio.Event()
        self._over = False
        self._tasks: "set[asyncio.Task]" = set()

    @property
    def live(self) -> int:
        return sum(guest.live for guest in self.guests)

    async def come(self, timeout: float = 120) -> None:
        """Everybody is there and has said hello to the people who answer."""
        places = asyncio.Semaphore(16)

        async def one(guest: Guest) -> None:
            async with places:
                guest.token = await self.site.new_visitor().token()
                await guest.connect()

        await asyncio.gather(*(one(guest) for guest in self.guests))
        await self.until(lambda: all(guest.live and guest.head and guest.epoch for guest in self.guests), timeout, "everybody is there")

    def changed(self) -> None:
        self._something.set()

    async def until(self, holds, timeout: float, what: str) -> None:
        deadline = self.loop.time() + timeout
        while not holds():
            if self.loop.time() > deadline:
                raise AssertionError(f"not after {timeout} s: {what}; {self.live} of {len(self.guests)} are live\n{self.site.daemon.tail()}")
            self._something.clear()
            try:
                await asyncio.wait_for(self._something.wait(), 1)
            except asyncio.TimeoutError:
                pass
            await asyncio.sleep(0.05)  # looking at everybody is not free

    def lost(self, guest: Guest) -> None:
        if self._over:
            return
        task = asyncio.ensure_future(self._return(guest))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _return(self, guest: Guest) -> None:
        guest.attempts = 0
        while not self._over:
            await asyncio.sleep(self._random.uniform(0, min(5.0, 0.5 * 2**guest.attempts)))
            try:
                return await guest.connect()
            except OSError:
                self.refused += 1

    def leave(self) -> None:
        self._over = True
        for guest in self.guests:
            guest.leave()
        for task in list(self._tasks):
            task.cancel()
