"""The round of all faults needs the machine for itself: `make test` leaves it out.

`make test ARGS="-n 0 -m whole_round"` runs it alone.
"""

import pytest


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "whole_round: a round of `make chaos`, run by itself")
