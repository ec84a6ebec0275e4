"""Background tasks whose unexpected exceptions are logged when they happen, not when they are collected."""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, TypeVar

from kit.errors import Failure

logger = logging.getLogger(__name__)

T = TypeVar("T")


def start(work: Coroutine[Any, Any, T], name: str) -> asyncio.Task[T]:
    """Start a task. The caller keeps a reference to it, and ends it by cancelling it.

    Whatever else ends it with an exception is an error in the log, with `name`, also when another task
    retrieves the exception or none ever does.
    """
    task = asyncio.create_task(work, name=name)
    task.add_done_callback(_log_failure)
    return task


def _log_failure(task: asyncio.Task[Any]) -> None:
    if task.cancelled() or (error := task.exception()) is None:
        return
    if isinstance(error, Failure):  # a known kind, such as an unavailable database
        logger.warning("background task %r failed: %s", task.get_name(), error)
    else:
        logger.error("background task %r failed", task.get_name(), exc_info=error)
