"""The id by which a request is found again in the logs of every process that it passes."""

import re
import uuid
from contextvars import ContextVar

HEADER = "x-request-id"
# A stranger's id is taken over when it can't break a log line.
GIVEN = re.compile(r"[\w.:-]{1,64}", re.ASCII)

_current: ContextVar[str] = ContextVar("request_id", default="")


def current() -> str:
    """Of the request that is being served; empty where none is."""
    return _current.get()


def begin(given: str) -> str:
    """Takes the sender's id over, or makes one up, for the rest of this task."""
    return take(given) or take(uuid.uuid4().hex)


def take(given: str) -> str:
    """Takes the sender's id over if it is fit; gives the present one."""
    _current.set(given if GIVEN.fullmatch(given) else "")
    return current()
