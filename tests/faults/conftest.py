import os
import random
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from parley_test.plugin import *  # noqa: E402,F401,F403


@pytest.fixture
def seed() -> int:
    """Of the test's dice. PARLEY_FAULT_SEED repeats a run; the seed of a failing one is printed with it."""
    value = int(os.environ.get("PARLEY_FAULT_SEED") or random.SystemRandom().randrange(1 << 32))
    print(f"PARLEY_FAULT_SEED={value}")
    return value
