"""What conftest.py files import: coroutine tests, a limit on every test, the slow/short scale, and daemons on the store asked for.

PARLEY_TEST_STORE=standard gives every daemon Redis and PostgreSQL instead of the embedded store."""
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
    config.addinivalue_line("markers", 'store(kind): the daemon of this test has this store ("embedded" or "standard") in every run')
    config.addinivalue_line("markers", "embedded_only: about the file of the embedded store; left out with PARLEY_TEST_STORE=standard")
    config.addinivalue_line("markers", "standard_only: about Redis and PostgreSQL; left out without PARLEY_TEST_STORE=standard")


def pytest_collection_modifyitems(config: pytest.Config, items: Any) -> None:
    from .daemon import STORE

    other = "standard_only" if STORE == "embedded" else "embedded_only"
    left_out = [item for item in items if item.get_closest_marker(other)]
    if left_out:
        items[:] = [item for item in items if item not in left_out]
        config.hook.pytest_deselected(items=left_out)
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


def _store_of(request: pytest.FixtureRequest) -> Optional[str]:
    marker = request.node.get_closest_marker("store")
    return marker.args[0] if marker else None


@pytest.fixture
def daemon(request: pytest.FixtureRequest, tmp_path: Any) -> Any:
    """A running daemon of the test's own; its log is shown when the test fails."""
    from .daemon import Daemon

    daemon = Daemon(tmp_path / "daemon", store=_store_of(request))
    asyncio.run(daemon.start())
    yield daemon
    asyncio.run(daemon.dispose())


@pytest.fixture
def stopped_daemon(request: pytest.FixtureRequest, tmp_path: Any) -> Any:
    """One that the test configures and starts itself."""
    from .daemon import Daemon

    daemon = Daemon(tmp_path / "daemon", store=_store_of(request))
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
