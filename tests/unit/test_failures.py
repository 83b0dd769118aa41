"""What a failure leads to, and how long the worker is patient."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from award_worker.failures import Action, action_for, with_patience
from domain.errors import DataRefusedError, StorageError, StorageUnavailableError


def failing(times: int, error: Exception) -> Callable[[], Awaitable[str]]:
    """An attempt that fails so often, then succeeds."""
    left = times

    async def attempt() -> str:
        nonlocal left
        left -= 1
        if left >= 0:
            raise error
        return "done"

    return attempt


REFUSED = DataRefusedError("no", sqlstate="23514", constraint=None)
NOT_NOW = StorageUnavailableError("not now")


@pytest.mark.parametrize(
    ("error", "action"),
    [
        (NOT_NOW, Action.RETRY),
        (REFUSED, Action.ISOLATE),
        (StorageError("a defect"), Action.STOP),
        (ValueError(), Action.STOP),
        (TimeoutError(), Action.STOP),
        (ConnectionError(), Action.STOP),
    ],
)
def test_failures_lead_to_one_action_each(error: Exception, action: Action) -> None:
    assert action_for(error) is action


async def test_what_may_yet_succeed_is_tried_again_until_it_does() -> None:
    noted: list[BaseException] = []
    assert await with_patience(failing(2, NOT_NOW), on_retry=noted.append) == "done"
    assert noted == [NOT_NOW, NOT_NOW]


@pytest.mark.parametrize("error", [REFUSED, StorageError("a defect"), ValueError("a defect")])
async def test_what_is_hopeless_is_raised_at_once(error: Exception) -> None:
    noted: list[BaseException] = []
    with pytest.raises(type(error)):
        await with_patience(failing(1, error), on_retry=noted.append)
    assert noted == []


async def test_patience_ends() -> None:
    loop = asyncio.get_running_loop()
    started = loop.time()
    noted: list[BaseException] = []
    with pytest.raises(StorageUnavailableError):
        await with_patience(failing(1000, NOT_NOW), on_retry=noted.append, patience=0.4)
    assert loop.time() - started <= 0.4
    assert 1 <= len(noted) <= 3  # after 0.05, 0.1 and 0.2 s; the next pause would end too late


async def test_cancellation_is_not_a_failure_to_be_patient_with() -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await with_patience(failing(1000, NOT_NOW), on_retry=lambda _error: None)
