"""A client that keeps the promise of docs/protocol.md on its side: outbox, numbers, cursors, resume; and that notes all it sees in a History."""
import asyncio
import json
import random
from dataclasses import dataclass, field
from typing import Any, Awaitable, Callable, Dict, List, Optional

from .history import History
from .wire import PATIENCE, Frame, Gone, Refused, Wire, new_dev

INFLIGHT_MAX = 16
ANSWER_TIMEOUT_S = 5.0  # then the same n goes out again, or the page is asked for again
FINAL_CLOSES = {4500, 4501, 4502, 4503, 4504, 4505}


@dataclass
class Cursor:
    epoch: str
    seq: int


@dataclass
class Pending:
    """A send without a final answer."""

    n: int
    frame: Frame
    answer: "asyncio.Future[Frame]"
    attempts: int = 0
    on_wire: bool = False
    sent_at: float = 0.0


@dataclass
class Conversation:
    """What the client holds of one conversation."""

    id: str
    cursor: Optional[Cursor] = None  # None: the next entry begins the view
    info: Frame = field(default_factory=dict)
    entries: Dict[int, Frame] = field(default_factory=dict)  # the fold, by seq
    held: Dict[int, Frame] = field(default_factory=dict)  # beyond a hole
    syncing: bool = False
    synced_at: float = 0.0
    next_n: int = 1
    window: int = INFLIGHT_MAX  # shrinks to one when the server says "not now", doubles with every ack
    outbox: List[Pending] = field(default_factory=list)
    pause: Optional[asyncio.TimerHandle] = None

    def texts(self) -> List[str]:
        """What a person would read, top to bottom."""
        return [e["body"]["text"] for _, e in sorted(self.entries.items()) if e["type"] in ("text", "note") and e.get("body")]


class Client:
    """One sender instance (a tab). `token()` is asked before each connection; agents may give `cookie` instead.

    Scripted use: connect(), send(), await the answers, close(). For runs with faults: stay() reconnects by itself until told to stop.
    """

    def __init__(
        self,
        url: str,
        role: str,
        name: str,
        history: Optional[History] = None,
        token: Optional[Callable[[], Awaitable[str]]] = None,
        cookie: Optional[str] = None,
        origin: Optional[str] = None,
        dev: Optional[str] = None,
        seed: int = 0,
    ) -> None:
        self.url, self.role, self.name = url, role, name
        self.history = history or History()
        self.dev = dev or new_dev()
        self.cookie, self.origin = cookie, origin
        self.wire: Optional[Wire] = None
        self.ready: Frame = {}
        self.conversations: Dict[str, Conversation] = {}
        self.resume: Optional[str] = None
        self.received: List[str] = []  # every message of every socket, as it came
        self.own: Optional[str] = None  # visitors: the conversation to write to
        self.stable: Dict[str, int] = {}  # by conversation: the highest seq that was said to be archived
        self.visible = True
        self.echo = True  # False: an own text may come as its ack alone, as web clients ask for it
        self.window_acks = True  # send rcv as the protocol asks
        self.reconnect_cap_s = 0.5  # tests do not wait five seconds
        self.keep_frames = True  # False: frames that were dealt with do not stay in the inbox (long runs)
        self._token = token
        self._random = random.Random(seed or name)
        self._live = asyncio.Event()
        self._stay: Optional[asyncio.Task] = None
        self._watches: Dict[str, bool] = {}
        self._settled = asyncio.Event()
        self._unreported: Dict[str, int] = {}

    # ---- connecting ----

    @property
    def who(self) -> str:
        me = self.ready.get("me") or {}
        return f"{me.get('k', '?')}:{me.get('id', '?')}"

    def conversation(self, conv: str) -> Conversation:
        return self.conversations.setdefault(conv, Conversation(conv))

    async def connect(self, timeout: float = PATIENCE) -> Frame:
        """Opens a socket and says hello; returns the `ready`. Unanswered sends go out again before anything new."""
        token = await self._token() if self._token else None
        wire = await Wire.open(self.url, origin=self.origin, cookie=self.cookie, on_frame=self._on_frame, timeout=timeout)
        wire.raw = self.received
        hello: Frame = {
            "t": "hello",
            "id": wire.next_id,
            "ver": 1,
            "role": self.role,
            "dev": self.dev,
            "vis": self.visible,
            "echo": self.echo,
            "cursors": {c.id: [c.cursor.epoch, c.cursor.seq] for c in self.conversations.values() if c.cursor and c.cursor.epoch},
        }
        wire.next_id += 1
        if token:
            hello["token"] = token
        if self.resume:
            hello["resume"] = self.resume
        self.wire = wire
        for conversation in self.conversations.values():
            conversation.held.clear()
            conversation.syncing = False
            for pending in conversation.outbox:
                pending.on_wire = False
        await wire.send(hello)
        try:
            self.ready = await wire.expect("ready", timeout=timeout)
        except AssertionError:
            if wire.code in (4100, 4101):
                self.resume = None
            wire.cut()
            raise
        self.resume = self.ready["resume"]
        if self.ready.get("conv"):
            conv = self.ready["conv"]
            self.own = conv["conv"]
            self.conversation(self.own).info = conv
            if conv["status"] == "new":
                self.conversation(self.own).cursor = Cursor(conv.get("epoch") or "", 0)
        self.history.log(self.name, "ready", who=self.who, dev=self.dev, sid=self.ready["sid"], gen=self.ready["gen"])
        self._live.set()
        for conv in self._watches:
            await self._ask_watch(conv)
        for conversation in self.conversations.values():
            self._pump(conversation)
        asyncio.get_running_loop().call_later(1, self._look_at_the_clock, wire)
        return self.ready

    def _look_at_the_clock(self, wire: Wire) -> None:
        """After a time-out the same n goes out again; a page that never came is asked for again. `timeout` in the history, since a sound connection needs none."""
        if self.wire is not wire or not wire.alive:
            return
        now = asyncio.get_running_loop().time()
        for conversation in list(self.conversations.values()):
            if any(p.on_wire and now - p.sent_at > ANSWER_TIMEOUT_S for p in conversation.outbox):
                self.history.log(self.name, "timeout", conv=conversation.id, what="send")
                for pending in conversation.outbox:
                    pending.on_wire = False
                self._pump(conversation)
            if conversation.syncing and now - conversation.synced_at > ANSWER_TIMEOUT_S:
                self.history.log(self.name, "timeout", conv=conversation.id, what="page")
                conversation.syncing = False
                self._sync(conversation)
        asyncio.get_running_loop().call_later(1, self._look_at_the_clock, wire)

    async def stay(self, stop: asyncio.Event) -> None:
        """Reconnects, as the protocol's table says, until `stop`; ends at a final close code."""
        attempt = 0
        while not stop.is_set():
            try:
                await self.connect()
                attempt = 0
                assert self.wire
                ended = asyncio.ensure_future(self.wire.ended(timeout=3600))
                stopping = asyncio.ensure_future(stop.wait())
                await asyncio.wait({ended, stopping}, return_when=asyncio.FIRST_COMPLETED)
                stopping.cancel()
                if not ended.done():
                    ended.cancel()
                    return
                code, reason = ended.result()
            except (OSError, Refused, AssertionError, asyncio.TimeoutError, EOFError) as failure:
                code, reason = (self.wire.code if self.wire and self.wire.code else 1006), str(failure)
            except Exception as failure:  # websockets raises its own kinds while a daemon dies under the handshake
                code, reason = 1006, repr(failure)
            self._live.clear()
            self.history.log(self.name, "closed", code=code, reason=str(reason)[:200])
            if code in FINAL_CLOSES:
                raise AssertionError(f"{self.name}: closed for good with {code} {reason}")
            if code in (4100, 4101):
                self.resume = None
            attempt += 1
            delay = self._random.uniform(0, min(self.reconnect_cap_s, 0.02 * 2**attempt))
            try:
                await asyncio.wait_for(stop.wait(), delay)
            except asyncio.TimeoutError:
                pass

    def start(self, stop: asyncio.Event) -> "asyncio.Task[None]":
        self._stay = asyncio.ensure_future(self.stay(stop))
        return self._stay

    async def live(self, timeout: float = PATIENCE) -> None:
        await asyncio.wait_for(self._live.wait(), timeout)

    async def close(self) -> None:
        self._live.clear()
        for conversation in self.conversations.values():
            if conversation.pause:
                conversation.pause.cancel()
        if self.wire:
            await self.wire.close()

    def finish(self) -> None:
        """The client's last word for the checker."""
        self.history.log(
            self.name,
            "end",
            who=self.who,
            role=self.role,
            connected=bool(self.wire and self.wire.alive and self._live.is_set()),
            cursors={c.id: [c.cursor.epoch, c.cursor.seq] for c in self.conversations.values() if c.cursor},
            unanswered={c.id: [p.n for p in c.outbox] for c in self.conversations.values() if c.outbox},
            view={c.id: {seq: (e.get("body") or {}).get("text") for seq, e in c.entries.items() if e["type"] in ("text", "note")} for c in self.conversations.values()},
        )

    # ---- sending ----

    def send(self, conv: Optional[str] = None, type: str = "text", body: Optional[Frame] = None, **extra: Any) -> "asyncio.Future[Frame]":
        """Puts a send into the outbox and on the wire; the future ends with its `ack` or with the `error` that consumed it."""
        conv = conv or self.own
        assert conv, "no conversation to write to"
        conversation = self.conversation(conv)
        frame: Frame = {"t": "send", "conv": conv, "n": conversation.next_n, "type": type, **extra}
        if type != "void":
            frame["body"] = body or {}
        pending = Pending(conversation.next_n, frame, asyncio.get_running_loop().create_future())
        pending.answer.add_done_callback(lambda f: f.cancelled() or f.exception())
        conversation.next_n += 1
        conversation.outbox.append(pending)
        self._settled.clear()
        self._pump(conversation)
        return pending.answer

    def say(self, text: str, conv: Optional[str] = None) -> "asyncio.Future[Frame]":
        return self.send(conv, "text", {"text": text})

    async def tell(self, text: str, conv: Optional[str] = None, timeout: float = PATIENCE) -> Frame:
        """say(), and the ack."""
        return await self.do(conv, "text", {"text": text}, timeout=timeout)

    async def do(self, conv: Optional[str], type: str, body: Optional[Frame] = None, timeout: float = PATIENCE, **extra: Any) -> Frame:
        """send(), and its ack; an error fails the test."""
        answer = await self.attempt(conv, type, body, timeout, **extra)
        assert answer["t"] == "ack", f"{self.name}: {type} refused: {answer}"
        return answer

    async def attempt(self, conv: Optional[str], type: str, body: Optional[Frame] = None, timeout: float = PATIENCE, **extra: Any) -> Frame:
        """send(), and its final answer, ack or error."""
        answer = self.send(conv, type, body, **extra)
        try:
            return await asyncio.wait_for(asyncio.shield(answer), timeout)
        except asyncio.TimeoutError:
            code = self.wire.code if self.wire else None
            raise AssertionError(f"{self.name}: no answer to {type} within {timeout} s (socket {'open' if code is None else code})") from None

    async def settled(self, timeout: float = PATIENCE) -> None:
        """Until every send was answered."""
        try:
            await asyncio.wait_for(self._settled_now(), timeout)
        except asyncio.TimeoutError:
            left = {c.id: [p.n for p in c.outbox][:20] for c in self.conversations.values() if c.outbox}
            raise AssertionError(f"{self.name}: unanswered after {timeout} s: {left}") from None

    async def _settled_now(self) -> None:
        while any(c.outbox for c in self.conversations.values()):
            self._settled.clear()
            await self._settled.wait()

    def _pump(self, conversation: Conversation) -> None:
        if not (self.wire and self.wire.alive and self._live.is_set()) or conversation.pause:
            return
        frames = []
        for pending in conversation.outbox[: conversation.window]:
            if pending.on_wire:
                continue
            pending.on_wire = True
            pending.sent_at = asyncio.get_running_loop().time()
            pending.attempts += 1
            frames.append(pending.frame)
            body = pending.frame.get("body") or {}
            self.history.log(
                self.name, "send", who=self.who, dev=pending.frame.get("dev", self.dev), conv=conversation.id, n=pending.n,
                type=pending.frame["type"], words=body.get("text"), attempt=pending.attempts,
            )
        if frames:
            asyncio.ensure_future(self.wire.send(*frames))

    def _answered(self, frame: Frame, ev: str) -> None:
        conversation = self.conversations.get(frame.get("conv", ""))
        if not conversation:
            return
        sent: Optional[Frame] = None
        for i, pending in enumerate(conversation.outbox):
            if pending.n == frame.get("n") and pending.frame.get("dev", self.dev) == frame.get("dev", self.dev):
                sent = pending.frame
                del conversation.outbox[i]
                if not pending.answer.done():
                    pending.answer.set_result(frame)
                break
        if frame.get("epoch") and conversation.cursor and not conversation.cursor.epoch:
            conversation.cursor.epoch = frame["epoch"]  # it was only reserved before
        facts = {k: frame[k] for k in ("seq", "epoch", "id", "dup", "code", "status") if k in frame}
        self.history.log(self.name, ev, who=self.who, dev=frame.get("dev", self.dev), conv=conversation.id, n=frame.get("n"), **facts)
        if frame.get("echo") is False:
            assert sent, f"{self.name}: an ack without an entry for a send that was answered before: {frame}"
            entry = {k: frame[k] for k in ("conv", "seq", "skip", "id", "ts", "n") if k in frame}
            self._on_entry(conversation, {**entry, "t": "entry", "rev": frame["seq"], "dev": self.dev, "from": self.ready["me"], "type": sent["type"], "body": sent["body"]}, "ack")
        conversation.window = min(INFLIGHT_MAX, conversation.window * 2)
        self._settled.set()
        self._pump(conversation)

    def _on_error(self, frame: Frame) -> bool:
        conversation = self.conversations.get(frame.get("conv", ""))
        n = frame.get("n")
        if conversation is None or n is None or not any(p.n == n for p in conversation.outbox):
            return False
        if not frame.get("retry"):
            self._answered(frame, "refused")
            if frame["code"] == "closed" and frame.get("to"):
                self._move(conversation, frame["to"])
            return True
        # Nothing of this or of what came after it was taken: go back and send again from there.
        conversation.window = 1
        back_to = min(frame.get("expected", n), n)
        self.history.log(self.name, "error", conv=conversation.id, n=n, code=frame["code"])
        for pending in conversation.outbox:
            if pending.n >= back_to:
                pending.on_wire = False
        if conversation.pause is None:
            delay = max(frame.get("after_ms", 0) / 1000, 0.01)

            def again() -> None:
                conversation.pause = None
                self._pump(conversation)

            conversation.pause = asyncio.get_running_loop().call_later(delay, again)
        return True

    def _move(self, conversation: Conversation, to: str) -> None:
        """What was still to be said in a conversation that is over is said anew in the one that is not."""
        if self.own == conversation.id:
            self.own = to
        left, conversation.outbox = conversation.outbox, []
        for pending in left:
            frame = {k: v for k, v in pending.frame.items() if k not in ("t", "conv", "n", "type", "body")}
            anew = self.send(to, pending.frame["type"], pending.frame.get("body"), **frame)
            anew.add_done_callback(lambda f, old=pending.answer: old.done() or f.cancelled() or old.set_result(f.result()))

    # ---- receiving ----

    def _on_frame(self, frame: Frame) -> bool:
        """True if the frame was the client's own business; everything else stays in the wire's inbox for the test."""
        kind = frame.get("t")
        self._note_stable(frame)
        if kind == "ack":
            self._answered(frame, "ack")
            return "re" not in frame  # one with an id was asked for by the test
        if kind == "error":
            return self._on_error(frame)
        if kind == "page":
            return self._on_page(frame)
        if kind == "entry":
            self._on_entry(self.conversation(frame["conv"]), frame, "live")
        elif kind == "resumed":
            self._on_resumed(frame)
        elif kind == "lag":
            for conv in frame["convs"]:
                self._sync(self.conversation(conv))
        return not self.keep_frames and kind != "ready" and "re" not in frame

    def _note_stable(self, frame: Frame) -> None:
        """It comes with acks, pages and `resumed`, or in a frame of its own."""
        upto = frame.get("upto") if frame.get("t") == "stable" else frame.get("stable")
        conv = frame.get("conv")
        conv = conv.get("conv") if isinstance(conv, dict) else conv
        if isinstance(upto, int) and conv and upto > self.stable.get(conv, 0):
            self.stable[conv] = upto
            self.history.log(self.name, "stable", conv=conv, upto=upto)

    def _on_resumed(self, frame: Frame) -> None:
        conversation = self.conversation(frame["conv"]["conv"])
        conversation.info = frame["conv"]
        if conversation.cursor and not conversation.cursor.epoch:
            conversation.cursor.epoch = frame["conv"].get("epoch") or ""
        if frame["state"] == "reset":
            self.history.log(self.name, "reset", conv=conversation.id)
            conversation.entries.clear()
            conversation.cursor = None
        if frame.get("more") and frame["state"] == "ok" and conversation.cursor and conversation.cursor.seq < frame["conv"]["head"]:
            self._sync(conversation)
        self.history.log(self.name, "member", conv=conversation.id, who=self.who, after=conversation.cursor.seq if conversation.cursor else None)

    def _on_entry(self, conversation: Conversation, entry: Frame, via: str) -> None:
        seq, skip = entry["seq"], entry.get("skip", 0)
        if conversation.cursor is None:
            conversation.cursor = Cursor(conversation.info.get("epoch", ""), seq - 1 - skip)
        if seq <= conversation.cursor.seq:
            return self._merge(conversation, entry)
        if seq != conversation.cursor.seq + 1 + skip:
            conversation.held[seq] = entry
            self.history.log(self.name, "hole", conv=conversation.id, have=conversation.cursor.seq, seq=seq, skip=skip)
            return self._sync(conversation)
        self._show(conversation, entry, via)
        while conversation.held:
            first = min(conversation.held)
            held = conversation.held[first]
            if first > conversation.cursor.seq and first != conversation.cursor.seq + 1 + held.get("skip", 0):
                break
            del conversation.held[first]
            if first > conversation.cursor.seq:
                self._show(conversation, held, via)

    def _show(self, conversation: Conversation, entry: Frame, via: str) -> None:
        assert conversation.cursor
        conversation.cursor.seq = entry["seq"]
        conversation.entries[entry["seq"]] = entry
        if not conversation.cursor.epoch:
            conversation.cursor.epoch = conversation.info.get("epoch", "")
        sender = entry["from"]
        self.history.log(
            self.name, "shown", conv=conversation.id, seq=entry["seq"], skip=entry.get("skip", 0), id=entry["id"], type=entry["type"],
            principal=f"{sender['k']}:{sender['id']}", dev=entry.get("dev"), n=entry.get("n"), rev=entry.get("rev"),
            internal=entry.get("audience") == "internal", words=(entry.get("body") or {}).get("text"), recalled=entry.get("recalled", False), via=via,
        )
        body = entry.get("body") or {}
        target = conversation.entries.get(body.get("target", -1))
        if target is not None and target.get("rev", 0) > entry["seq"]:
            target = None  # folded already, to something newer
        if target is not None and entry["type"] == "edit":
            target["body"] = {**(target.get("body") or {}), "text": body["text"]}
            target["rev"] = entry["seq"]
        if target is not None and entry["type"] == "recall":
            target.pop("body", None)
            target.update(recalled=True, rev=entry["seq"])
        if self.window_acks and self.wire:
            size = self._unreported.get(conversation.id, 0) + len(json.dumps(entry))
            limit = (self.ready.get("limits") or {}).get("window", 65536) // 4
            if size >= limit:
                asyncio.ensure_future(self.wire.send({"t": "rcv", "conv": conversation.id, "upto": entry["seq"]}))
                size = 0
            self._unreported[conversation.id] = size

    def _merge(self, conversation: Conversation, entry: Frame) -> None:
        have = conversation.entries.get(entry["seq"])
        if have is None or entry.get("rev", 0) > have.get("rev", 0):
            conversation.entries[entry["seq"]] = entry

    def _sync(self, conversation: Conversation) -> None:
        if conversation.syncing or not (self.wire and self.wire.alive):
            return
        conversation.syncing = True
        conversation.synced_at = asyncio.get_running_loop().time()
        after = conversation.cursor.seq if conversation.cursor else 0
        asyncio.ensure_future(self.wire.send({"t": "sync", "conv": conversation.id, "after": after, "limit": 100}))

    def _on_page(self, frame: Frame) -> bool:
        conversation = self.conversation(frame["conv"])
        if "re" in frame or not conversation.syncing:
            for item in frame["items"]:
                self._merge(conversation, item)
            return False  # the test asked for it
        conversation.syncing = False
        for item in frame["items"]:
            if conversation.cursor is None or item["seq"] > conversation.cursor.seq:
                self._on_entry(conversation, item, "page")
            else:
                self._merge(conversation, item)
        if frame["more"] or conversation.held:
            self._sync(conversation)
        return True

    # ---- agents ----

    async def _ask_watch(self, conv: str) -> None:
        assert self.wire
        frame: Frame = {"t": "watch", "conv": conv}
        conversation = self.conversation(conv)
        if conversation.cursor and conversation.cursor.epoch:
            frame.update(epoch=conversation.cursor.epoch, seq=conversation.cursor.seq)
        await self.wire.send(frame)

    async def watch(self, conv: str, timeout: float = PATIENCE) -> Frame:
        """Subscribes, now and after every reconnect; returns `resumed`."""
        assert self.wire
        self._watches[conv] = True
        frame: Frame = {"t": "watch", "conv": conv}
        conversation = self.conversation(conv)
        if conversation.cursor and conversation.cursor.epoch:
            frame.update(epoch=conversation.cursor.epoch, seq=conversation.cursor.seq)
        return await self.wire.request(frame, "resumed", timeout=timeout)

    async def shown(self, conv: Optional[str] = None, seq: int = 0, timeout: float = PATIENCE) -> None:
        """Until the client shows everything of `conv` up to `seq`."""
        conv = conv or self.own
        assert conv
        conversation = self.conversation(conv)
        deadline = asyncio.get_running_loop().time() + timeout
        while not conversation.cursor or conversation.cursor.seq < seq:
            left = deadline - asyncio.get_running_loop().time()
            have = conversation.cursor.seq if conversation.cursor else None
            if left <= 0:
                raise AssertionError(f"{self.name}: shows {conv} up to {have}, waited {timeout} s for {seq}; held {sorted(conversation.held)[:10]}")
            if self.wire and not self.wire.alive and self._stay is None:
                raise Gone(f"{self.name}: closed with {self.wire.code} {self.wire.reason}, showing {conv} up to {have} of {seq}")
            changed = self.wire._changed if self.wire else asyncio.Event()
            changed.clear()
            try:
                await asyncio.wait_for(changed.wait(), min(left, 0.25))
            except asyncio.TimeoutError:
                pass
