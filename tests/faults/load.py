"""People who go on talking whatever happens to the daemon."""
import asyncio
import random
from typing import List, Optional

from checker import Verdict, check
from parley_test.client import Client
from parley_test.daemon import Daemon
from parley_test.site import Site
from truth import truth_of

SECRET = "SECRET-"  # begins every note


class Load:
    """Visitors who write, some of them in two tabs, agents who answer, note, claim and close; all edit and recall now and then, and reconnect by themselves.

    start(), then let things happen, then judge(): the load stops, everything unanswered is waited for, and the history is compared with the store.
    """

    def __init__(self, site: Site, visitors: int = 5, agents: int = 2, seed: int = 1, url: Optional[str] = None, pause_s: float = 0.01, tabs: int = 2, edits: bool = True) -> None:
        self.site, self.daemon = site, site.daemon
        self._visitors, self._agents, self._tabs, self._url = visitors, agents, min(tabs, visitors), url
        self._random = random.Random(seed)
        self._pause_s, self._edits = pause_s, edits
        self._quiet = asyncio.Event()  # nobody begins anything new
        self._stop = asyncio.Event()  # nobody reconnects
        self.visitors: List[Client] = []
        self.agents: List[Client] = []
        self._tasks: List[asyncio.Task] = []

    @property
    def clients(self) -> List[Client]:
        return self.visitors + self.agents

    async def start(self) -> "Load":
        for i in range(self._agents):
            name = f"Agent {i}"
            await self.site.hire(name)
            self.agents.append(self.site.agent_client(name, url=self._url))
        for i in range(self._visitors):
            self.visitors.append(self.site.visitor_client(f"visitor-{i}", url=self._url))
        for client in self.clients[::2]:
            client.echo = False  # as web clients; others take every entry
        for client in self.clients:
            await self._begin(client)
        for visitor in self.visitors:
            await visitor.tell(f"{visitor.name} 0")
            for agent in self.agents:
                agent._watches[visitor.own] = True
                await agent._ask_watch(visitor.own)
        for visitor in self.visitors[: self._tabs]:
            tab = self.site.visitor_client(f"{visitor.name}-tab", visitor.person, url=self._url)  # type: ignore[attr-defined]
            self.visitors.append(tab)
            await self._begin(tab)
            assert tab.own == visitor.own, "both tabs show the same conversation"
        self._tasks += [asyncio.ensure_future(self._write(v)) for v in self.visitors]
        self._tasks += [asyncio.ensure_future(self._answer(a)) for a in self.agents]
        return self

    async def _begin(self, client: Client) -> None:
        client.keep_frames = False
        client.reconnect_cap_s = 0.1
        self._tasks.append(client.start(self._stop))
        await client.live()

    async def add_bystander(self) -> Client:
        """One more visitor, who says only what the test lets it say: it has nothing on its way when a fault begins."""
        visitor = self.site.visitor_client("bystander", url=self._url)
        await self._begin(visitor)
        await visitor.tell("bystander 0")
        for agent in self.agents:
            agent._watches[visitor.own] = True
            await agent._ask_watch(visitor.own)
        self.visitors.append(visitor)
        return visitor

    async def _write(self, visitor: Client) -> None:
        number = 0
        while not self._quiet.is_set():
            if sum(len(c.outbox) for c in visitor.conversations.values()) < 12 and not self._change(visitor, visitor.own, ""):
                for _ in range(self._random.choice((1,) * 30 + (16,))):
                    number += 1
                    visitor.say(f"{visitor.name} {number} " + "x" * self._random.choice((0, 10, 1000)))
            await asyncio.sleep(self._random.uniform(0, self._pause_s))

    def _change(self, client: Client, conv: Optional[str], mark: str) -> bool:
        """Now and then an edit or a recall of something the client wrote lately; `mark` begins what stays internal."""
        dice = self._random.random()
        if dice > 0.12 or not self._edits:
            return False
        kind = "note" if mark else "text"
        own = [e["seq"] for e in client.conversation(conv or "").entries.values() if e["type"] == kind and f"{e['from']['k']}:{e['from']['id']}" == client.who]
        if not own:
            return False
        target = self._random.choice(own[-20:])
        if dice < 0.03:
            client.send(conv, "recall", {"target": target})
        else:
            client.send(conv, "edit", {"target": target, "text": f"{mark}{client.name} says it better: {self._random.random()}"})
        return True

    async def _answer(self, agent: Client) -> None:
        number = 0
        while not self._quiet.is_set():
            visitor = self._random.choice(self.visitors)
            conversation = agent.conversation(visitor.own)
            if len(conversation.outbox) < 12 and not self._change(agent, visitor.own, self._random.choice(("", SECRET))):
                number += 1
                dice = self._random.random()
                if dice < 0.7:
                    agent.say(f"{agent.name} {number}", visitor.own)
                elif dice < 0.9:
                    agent.send(visitor.own, "note", {"text": f"{SECRET}{agent.name} {number}"})
                elif dice < 0.97:
                    agent.send(visitor.own, "claim", {})
                else:
                    agent.send(visitor.own, "close", {})
            await asyncio.sleep(self._random.uniform(0, self._pause_s))

    def acks(self) -> int:
        return self.site.history.count("ack")

    async def more_acks(self, count: int, timeout: float = 20) -> None:
        """Until `count` more sends were acknowledged: the load flows."""
        goal = self.acks() + count
        deadline = asyncio.get_running_loop().time() + timeout
        while self.acks() < goal:
            if asyncio.get_running_loop().time() > deadline:
                raise AssertionError(f"the load does not flow: {goal - self.acks()} of {count} acks are missing after {timeout} s\n{self.daemon.tail()}")
            await asyncio.sleep(0.01)

    async def come_to_rest(self, timeout: float = 40) -> None:
        """Everything is answered and everybody shows everything."""
        self._quiet.set()
        for client in self.clients:
            await client.live(timeout)
            await client.settled(timeout)
        heads = self.daemon.reader().heads()
        for visitor in self.visitors:
            for conv in list(visitor.conversations):
                if conv in heads:
                    await visitor.shown(conv, heads[conv][1], timeout)
        for agent in self.agents:
            for conv in agent._watches:
                await agent.shown(conv, heads[conv][0], timeout)

    async def judge(self, rest: bool = True) -> Verdict:
        try:
            if rest:
                await self.come_to_rest()
        finally:
            self._quiet.set()
            for client in self.clients:
                client.finish()
            await self.end()
        received = {client.name: client.received for client in self.visitors}
        verdict = check(self.site.history, self.daemon.reader().entries(), [SECRET], received)
        truth = truth_of(self.daemon)
        verdict.violations += truth.contradictions() if truth else []
        return verdict

    async def end(self) -> None:
        self._quiet.set()
        self._stop.set()
        for client in self.clients:
            await client.close()
        results = await asyncio.gather(*self._tasks, return_exceptions=True)
        for result in results:
            if isinstance(result, AssertionError):
                raise result


async def start_under_fire(daemon: Daemon) -> bool:
    """Starts a daemon that a fault point may kill before it is ready; True if it lives."""
    daemon.spawn()
    try:
        await daemon.until_ready()
        return True
    except AssertionError:
        if daemon.process and daemon.process.poll() == -9:
            return False
        raise
