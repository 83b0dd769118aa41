"""What a test needs and a machine may lack."""

import os
from typing import NoReturn

import pytest


def skip(reason: str) -> NoReturn:
    """Skip the test; with NOTHING_SKIPPED in the environment, as `.ci/run` has it, fail it."""
    if os.environ.get("NOTHING_SKIPPED"):
        pytest.fail(f"{reason}, and NOTHING_SKIPPED is set")
    pytest.skip(reason)
