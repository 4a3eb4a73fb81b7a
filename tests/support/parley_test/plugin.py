"""What conftest.py files import: coroutine tests, a limit on every test, and the slow/short scale."""
import asyncio
import inspect
import os
from typing import Any, Optional

import pytest

FULL = os.environ.get("PARLEY_TEST_SCALE", "short") == "full"


def scale(short: int, full: int) -> int:
    """PARLEY_TEST_SCALE=full asks for the long form of a test."""
    return full if FULL else short


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "timeout(seconds): limit of one test")


def pytest_collection_modifyitems(items: Any) -> None:
    for item in items:
        if item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(60))


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Optional[bool]:
    """Runs `async def` tests, each in an event loop of its own."""
    if not inspect.iscoroutinefunction(pyfuncitem.function):
        return None
    arguments = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}

    async def run() -> None:
        from .wire import cut_all

        try:
            await pyfuncitem.function(**arguments)
        finally:
            await cut_all()

    asyncio.run(run())
    return True


@pytest.fixture
def daemon(tmp_path: Any) -> Any:
    """A running daemon of the test's own; its log is shown when the test fails."""
    from .daemon import Daemon

    daemon = Daemon(tmp_path / "daemon")
    asyncio.run(daemon.start())
    yield daemon
    asyncio.run(daemon.dispose())


@pytest.fixture
def stopped_daemon(tmp_path: Any) -> Any:
    """One that the test configures and starts itself."""
    from .daemon import Daemon

    daemon = Daemon(tmp_path / "daemon")
    yield daemon
    asyncio.run(daemon.dispose())


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: Any, call: Any) -> Any:
    outcome = yield
    report = outcome.get_result()
    for name in ("daemon", "stopped_daemon"):
        daemon = getattr(item, "funcargs", {}).get(name)
        if report.when == "call" and report.failed and daemon is not None:
            report.sections.append(("daemon log", daemon.tail(40)))
