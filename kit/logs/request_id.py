"""The id of a request in the logs of all processes that handle it."""

import os
import re
from contextvars import ContextVar

HEADER = "x-request-id"
# A client's id is adopted if it can't break a log line.
GIVEN = re.compile(r"[\w.:-]{1,64}", re.ASCII)

_current: ContextVar[str] = ContextVar("request_id", default="")


def current() -> str:
    """Return the id of the current request; empty if there is none."""
    return _current.get()


def adopt_or_create(given: str) -> str:
    """Set the current task's id to the client's id, or to a new one if that is unsuitable."""
    found = given if given and GIVEN.fullmatch(given) else os.urandom(16).hex()
    _current.set(found)
    return found


def adopt(given: str) -> str:
    """Set the current task's id to the caller's id, or to none if that is unsuitable, and return it."""
    _current.set(given if GIVEN.fullmatch(given) else "")
    return current()
