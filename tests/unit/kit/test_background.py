"""Background tasks: whatever ends one unexpectedly is in the log when it happens."""

import asyncio
import logging

import pytest

from kit import background
from kit.errors import Failure, Kind


async def fail(error: BaseException) -> None:
    raise error


async def test_an_unexpected_exception_is_logged_at_once_though_it_is_retrieved(
    caplog: pytest.LogCaptureFixture,
) -> None:
    task = background.start(fail(TypeError("naive and aware")), "refresh eSIMs")
    with pytest.raises(TypeError):
        await task
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert record.message == "background task 'refresh eSIMs' failed"
    assert record.exc_info is not None
    assert record.exc_info[1] is task.exception()


async def test_an_exception_that_no_task_retrieves_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    task = background.start(fail(OverflowError()), "refresh eSIMs")
    await asyncio.wait({task})
    assert [record.levelname for record in caplog.records] == ["ERROR"]


async def test_a_known_failure_is_one_line(caplog: pytest.LogCaptureFixture) -> None:
    task = background.start(fail(Failure(Kind.UNAVAILABLE, "GONE", "away")), "refresh eSIMs")
    await asyncio.wait({task})
    (record,) = caplog.records
    assert (record.levelno, record.exc_info) == (logging.WARNING, None)


async def test_the_end_of_a_task_by_cancelling_is_silent(caplog: pytest.LogCaptureFixture) -> None:
    task = background.start(asyncio.sleep(60), "refresh eSIMs")
    task.cancel()
    await asyncio.wait({task})
    assert caplog.records == []
