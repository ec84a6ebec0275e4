"""The id by which a request is found again in the logs of every process that it passes."""

import os
import re
from contextvars import ContextVar

HEADER = "x-request-id"
# A stranger's id is taken over when it can't break a log line.
GIVEN = re.compile(r"[\w.:-]{1,64}", re.ASCII)
# Bytes of one that is made up: no two in the logs of years are equal.
MADE_UP = 16

_current: ContextVar[str] = ContextVar("request_id", default="")


def current() -> str:
    """Of the request that is being served; empty where none is."""
    return _current.get()


def adopt_or_create(given: str) -> str:
    """Takes the sender's id over, or makes one up, for the rest of this task."""
    found = given if GIVEN.fullmatch(given) else os.urandom(MADE_UP).hex()
    _current.set(found)
    return found


def adopt(given: str) -> str:
    """Takes the sender's id over if it is fit; gives the present one."""
    _current.set(given if GIVEN.fullmatch(given) else "")
    return current()
