"""Tests that hold for both stores."""
import pytest

both_stores = pytest.mark.parametrize("store", [pytest.param(kind, marks=pytest.mark.store(kind)) for kind in ("embedded", "standard")])
