"""One WebSocket connection, and what was said on it."""
import asyncio
import json
import os
import struct
import weakref
from base64 import b64encode, urlsafe_b64encode
from typing import Any, Callable, Dict, List, Optional, Tuple, Union

import websockets
from websockets.exceptions import ConnectionClosed, InvalidStatusCode

Frame = Dict[str, Any]
PATIENCE = float(os.environ.get("PARLEY_TEST_PATIENCE", "10"))


class Refused(Exception):
    """The upgrade was answered with an HTTP status instead of 101."""

    def __init__(self, status: int, headers: Any) -> None:
        super().__init__(f"upgrade refused with HTTP {status}")
        self.status = status
        self.headers = headers


class Gone(AssertionError):
    """The connection ended while a frame was awaited."""


def new_dev() -> str:
    return urlsafe_b64encode(os.urandom(12)).decode()


_open: "weakref.WeakSet[Wire]" = weakref.WeakSet()


async def cut_all() -> None:
    """At the end of a test: whatever it left open is reset, so that nothing waits for goodbyes."""
    readers = []
    for wire in list(_open):
        wire.cut()
        readers.append(wire._reader)
    _open.clear()
    await asyncio.gather(*readers, return_exceptions=True)


class Wire:
    """Frames come into `inbox` in order; `expect` takes the first that fits and leaves the others. Pings are answered unless `auto_pong` is off.

    Cancelling expect() loses nothing. One event loop only.
    """

    def __init__(self, socket: Any, on_frame: Optional[Callable[[Frame], bool]] = None) -> None:
        self._socket = socket
        self._on_frame = on_frame
        self._changed = asyncio.Event()
        self.inbox: List[Frame] = []
        self.raw: List[str] = []  # every message as it came
        self.auto_pong = True
        self.pings = 0
        self.next_id = 1
        self.code: Optional[int] = None  # set when the connection ended
        self.reason: Any = None
        self._reader = asyncio.ensure_future(self._read())
        _open.add(self)

    @classmethod
    async def open(
        cls,
        url: str,
        origin: Optional[str] = None,
        cookie: Optional[str] = None,
        subprotocols: Tuple[str, ...] = ("parley.v1",),
        on_frame: Optional[Callable[[Frame], bool]] = None,
        headers: Optional[Dict[str, str]] = None,
        timeout: float = PATIENCE,
    ) -> "Wire":
        extra = dict(headers or {})
        if cookie:
            extra["Cookie"] = cookie
        try:
            socket = await asyncio.wait_for(
                websockets.connect(
                    url,
                    subprotocols=list(subprotocols) or None,
                    compression=None,
                    max_size=None,
                    max_queue=None,
                    ping_interval=None,
                    close_timeout=2,
                    origin=origin,
                    extra_headers=extra,
                    user_agent_header=None,
                ),
                timeout,
            )
        except InvalidStatusCode as refused:
            raise Refused(refused.status_code, refused.headers) from None
        return cls(socket, on_frame)

    @property
    def subprotocol(self) -> Optional[str]:
        return self._socket.subprotocol

    async def _read(self) -> None:
        try:
            async for message in self._socket:
                self.raw.append(message if isinstance(message, str) else message.decode("utf-8", "replace"))
                parsed = json.loads(message)
                for frame in parsed if isinstance(parsed, list) else [parsed]:
                    if frame.get("t") == "ping":
                        self.pings += 1
                        if self.auto_pong:
                            await self._socket.send('{"t":"pong"}')
                    if self._on_frame is None or not self._on_frame(frame):
                        self.inbox.append(frame)
                self._changed.set()
        except (ConnectionClosed, OSError):
            pass
        finally:
            self.code = self._socket.close_code or 1006
            text = self._socket.close_reason or ""
            try:
                self.reason = json.loads(text) if text else None
            except ValueError:
                self.reason = text
            self._changed.set()

    @property
    def alive(self) -> bool:
        return self.code is None

    async def send(self, *frames: Frame) -> None:
        """One message: an object, or an array if there are several frames."""
        await self.send_text(json.dumps(frames[0] if len(frames) == 1 else list(frames), ensure_ascii=False, separators=(",", ":")))

    async def send_text(self, text: Union[str, bytes]) -> None:
        try:
            await self._socket.send(text)
        except ConnectionClosed:
            pass  # the reader tells

    async def request(self, frame: Frame, *answers: str, timeout: float = PATIENCE) -> Frame:
        """Sends with a fresh id and waits for the frame that carries it as `re` (of one of the types `answers`, if given)."""
        number = self.next_id
        self.next_id += 1
        await self.send({**frame, "id": number})
        return await self.expect(*answers, where=lambda f: f.get("re") == number, timeout=timeout)

    async def expect(self, *types: str, where: Callable[[Frame], bool] = lambda _: True, timeout: float = PATIENCE) -> Frame:
        """The first frame of one of these types that fits `where`."""
        deadline = asyncio.get_running_loop().time() + timeout
        looked = 0
        while True:
            for i in range(looked, len(self.inbox)):
                frame = self.inbox[i]
                if (not types or frame.get("t") in types) and where(frame):
                    return self.inbox.pop(i)
            looked = len(self.inbox)
            wanted = "/".join(types) or "a fitting frame"
            if not self.alive:
                raise Gone(f"closed with {self.code} {self.reason} while waiting for {wanted}; unread: {self._summary()}")
            self._changed.clear()
            left = deadline - asyncio.get_running_loop().time()
            try:
                await asyncio.wait_for(self._changed.wait(), max(left, 0.001))
            except asyncio.TimeoutError:
                raise AssertionError(f"no {wanted} within {timeout} s; unread: {self._summary()}") from None
            looked = min(looked, len(self.inbox))

    async def expect_nothing(self, *types: str, during: float, where: Callable[[Frame], bool] = lambda _: True) -> None:
        """Fails if such a frame comes within `during` seconds. Prefer barrier(), which needs no waiting."""
        await asyncio.sleep(during)
        found = [f for f in self.inbox if f.get("t") in types and where(f)]
        assert not found, f"unexpected: {found[:3]}"

    async def barrier(self, timeout: float = PATIENCE) -> None:
        """Everything the server sent on this socket before it read our probe has arrived."""
        await self.request({"t": "probe"}, "pong", timeout=timeout)

    def take(self, *types: str) -> List[Frame]:
        """All unread frames of these types, in order."""
        taken = [f for f in self.inbox if f.get("t") in types]
        self.inbox = [f for f in self.inbox if f.get("t") not in types]
        return taken

    async def ended(self, timeout: float = PATIENCE) -> Tuple[int, Any]:
        """Waits for the end of the connection: (code, reason)."""
        try:
            await asyncio.wait_for(asyncio.shield(self._reader), timeout)
        except asyncio.TimeoutError:
            raise AssertionError(f"still open after {timeout} s; unread: {self._summary()}") from None
        assert self.code is not None
        return self.code, self.reason

    async def close(self) -> None:
        """An orderly end, code 1000."""
        await self._socket.close()
        await asyncio.gather(self._reader, return_exceptions=True)

    def cut(self) -> None:
        """No close frame, no goodbye: the connection is reset."""
        if self._socket.transport:
            self._socket.transport.abort()

    def stop_reading(self) -> None:
        """Takes nothing from the kernel any more, so that the peer's window closes."""
        self._socket.transport.pause_reading()

    def read_again(self) -> None:
        self._socket.transport.resume_reading()

    def _summary(self) -> str:
        shown = [json.dumps(f, ensure_ascii=False)[:160] for f in self.inbox[-8:]]
        return f"{len(self.inbox)} frames, last: {shown}"


class RawSocket:
    """A WebSocket client that may break every rule: bytes go out as given."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def open(cls, port: int, path: str = "/ws", upgrade: bool = True, host: str = "127.0.0.1", origin: str = "") -> "RawSocket":
        reader, writer = await asyncio.open_connection(host, port)
        self = cls(reader, writer)
        if upgrade:
            lines = [
                f"GET {path} HTTP/1.1",
                f"Host: {host}:{port}",
                "Upgrade: websocket",
                "Connection: Upgrade",
                "Sec-WebSocket-Version: 13",
                f"Sec-WebSocket-Key: {b64encode(os.urandom(16)).decode()}",
                "Sec-WebSocket-Protocol: parley.v1",
            ] + ([f"Origin: {origin}"] if origin else [])
            writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), PATIENCE)
            assert b" 101 " in head.split(b"\r\n")[0], head.decode("latin-1")
        return self

    @staticmethod
    def frame(payload: bytes, opcode: int = 1, fin: bool = True, masked: bool = True, rsv: int = 0, length: Optional[int] = None) -> bytes:
        """An RFC 6455 frame; `length` lies about the payload's size."""
        size = len(payload) if length is None else length
        head = bytes([(0x80 if fin else 0) | (rsv << 4) | opcode])
        bit = 0x80 if masked else 0
        if size < 126:
            head += bytes([bit | size])
        elif size < 65536:
            head += bytes([bit | 126]) + struct.pack(">H", size)
        else:
            head += bytes([bit | 127]) + struct.pack(">Q", size)
        if not masked:
            return head + payload
        key = os.urandom(4)
        return head + key + bytes(b ^ key[i % 4] for i, b in enumerate(payload))

    def write(self, data: bytes) -> None:
        self.writer.write(data)

    async def read_frame(self) -> Tuple[int, bytes]:
        """(opcode, payload) of the next frame from the server."""
        first, second = await self.reader.readexactly(2)
        size = second & 0x7F
        if size == 126:
            (size,) = struct.unpack(">H", await self.reader.readexactly(2))
        elif size == 127:
            (size,) = struct.unpack(">Q", await self.reader.readexactly(8))
        return first & 0x0F, await self.reader.readexactly(size)

    async def close_code(self, timeout: float = PATIENCE) -> int:
        """Reads on until the server says goodbye; 1006 if it just hangs up."""

        async def read() -> int:
            while True:
                try:
                    opcode, payload = await self.read_frame()
                except (asyncio.IncompleteReadError, ConnectionError):
                    return 1006
                if opcode == 8:
                    return struct.unpack(">H", payload[:2])[0] if len(payload) >= 2 else 1005

        return await asyncio.wait_for(read(), timeout)

    async def close(self) -> None:
        self.writer.close()
        try:
            await self.writer.wait_closed()
        except ConnectionError:
            pass
