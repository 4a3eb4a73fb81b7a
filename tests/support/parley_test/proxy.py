"""A TCP link that misbehaves on command: between a client and the daemon, or the daemon and its servers, in one process with the test."""
import asyncio
import random
import socket
import struct
from typing import List, Optional, Set

UP, DOWN = "up", "down"  # from whoever connects to the target, and back


class _Pipe:
    """One direction of one connection."""

    def __init__(self, link: "_Link", direction: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.link, self.direction, self.reader, self.writer = link, direction, reader, writer

    async def run(self) -> None:
        proxy = self.link.proxy
        try:
            while True:
                data = await self.reader.read(65536)
                if not data:
                    break
                wait_s = proxy.wait_s()
                if wait_s:
                    await asyncio.sleep(wait_s)
                await proxy.may_flow[self.direction].wait()
                if self.direction in proxy.dropping:
                    continue
                budget = proxy.cut_after[self.direction]
                if budget is not None:
                    data, proxy.cut_after[self.direction] = data[:budget], budget - len(data[:budget])
                size = proxy.chop or max(len(data), 1)
                for at in range(0, len(data), size):
                    self.writer.write(data[at : at + size])
                    await self.writer.drain()
                    if proxy.chop:
                        await asyncio.sleep(0)
                if proxy.cut_after[self.direction] == 0:
                    proxy.cut_after[self.direction] = None
                    self.link.reset()
                    return
            if self.writer.can_write_eof():
                self.writer.write_eof()  # a half-close stays one
        except (ConnectionError, OSError, RuntimeError):
            self.link.reset()


class _Link:
    def __init__(self, proxy: "Proxy", writers: List[asyncio.StreamWriter]) -> None:
        self.proxy, self.writers = proxy, writers

    def reset(self) -> None:
        """RST to both sides: what was under way is lost."""
        for writer in self.writers:
            sock = writer.get_extra_info("socket")
            if sock is not None and sock.fileno() >= 0:
                try:
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                except OSError:
                    pass
            if writer.transport:
                writer.transport.abort()


class Proxy:
    """Listens on a free loopback port and forwards to `target`.

    delay_s       each piece waits so long, and up to jitter_s longer
    loss, stall_s as TCP shows lost packets: a piece (and all behind it) comes stall_s late, with this probability
    chop          pieces go on in parts of so many bytes
    refusing      new connections are reset at once
    hold(dir)     nothing passes until release(dir): bytes pile up, the sender's window closes
    drop(dir)     bytes are swallowed: the connection lives on one side only
    cut_after[dir] after so many more bytes, in the middle of a frame if it falls there, the connection is reset
    reset_all()   every connection is reset now; half_close(dir) ends one direction of all
    """

    def __init__(self, target: int, seed: int = 1) -> None:
        self.target = target
        self.port = 0
        self.delay_s = self.jitter_s = self.loss = 0.0
        self.stall_s = 0.25
        self.chop = 0
        self.refusing = False
        self._dice = random.Random(seed)
        self.dropping: Set[str] = set()
        self.cut_after: dict = {UP: None, DOWN: None}
        self.may_flow = {UP: asyncio.Event(), DOWN: asyncio.Event()}
        for event in self.may_flow.values():
            event.set()
        self.accepted = 0
        self._server: Optional[asyncio.AbstractServer] = None
        self._links: List[_Link] = []
        self._tasks: Set[asyncio.Task] = set()

    async def __aenter__(self) -> "Proxy":
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server
        self._server.close()
        self.reset_all()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.refusing:
            writer.transport.abort()
            return
        self.accepted += 1
        task = asyncio.current_task()
        assert task
        self._tasks.add(task)
        try:
            out_reader, out_writer = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            writer.transport.abort()
            self._tasks.discard(task)
            return
        link = _Link(self, [writer, out_writer])
        self._links.append(link)
        try:
            await asyncio.gather(_Pipe(link, UP, reader, out_writer).run(), _Pipe(link, DOWN, out_reader, writer).run())
        except asyncio.CancelledError:
            pass
        finally:
            for each in (writer, out_writer):
                each.close()
            if link in self._links:
                self._links.remove(link)
            self._tasks.discard(task)

    def wait_s(self) -> float:
        """How long the next piece is under way."""
        wait = self.delay_s
        if self.jitter_s:
            wait += self._dice.uniform(0, self.jitter_s)
        if self.loss and self._dice.random() < self.loss:
            wait += self.stall_s
        return wait

    def heal(self) -> None:
        """A sound link for what is connected and for what comes."""
        self.delay_s = self.jitter_s = self.loss = 0.0
        self.chop, self.refusing = 0, False
        self.cut_after = {UP: None, DOWN: None}
        self.drop()
        for event in self.may_flow.values():
            event.set()

    def part(self) -> None:
        """No way through any more: connections are reset, new ones refused. heal() ends it."""
        self.refusing = True
        self.reset_all()

    def hold(self, direction: str) -> None:
        self.may_flow[direction].clear()

    def release(self, direction: str) -> None:
        self.may_flow[direction].set()

    def drop(self, *directions: str) -> None:
        self.dropping = set(directions)

    def reset_all(self) -> None:
        links, self._links = self._links, []
        for link in links:
            link.reset()

    def half_close(self, direction: str) -> None:
        for link in self._links:
            writer = link.writers[1] if direction == UP else link.writers[0]
            if writer.can_write_eof():
                writer.write_eof()
