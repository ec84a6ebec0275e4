"""The state folder, locked by the one `esimgo up` that uses it."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LOCK = "up.lock"


class HomeError(Exception):
    """The state folder can't be used. The text says why and what to do."""


@contextmanager
def locked(home: Path) -> Iterator[None]:
    """Lock the folder; raise HomeError if it is locked. The lock ends with the process, however it ends."""
    try:
        home.mkdir(parents=True, exist_ok=True)
        opened = (home / LOCK).open("a+")
    except OSError as error:
        raise HomeError(
            f"{home} can't be used ({error.strerror}): set ESIMGO_HOME to a writable folder"
        ) from error
    with opened as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise HomeError(
                f"`esimgo up` already runs with {home} (process"
                f" {file.read().strip() or 'unknown'}): stop it, or set another ESIMGO_HOME and"
                " other ports"
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def in_use(home: Path) -> bool:
    """Return True if an `esimgo up` is running with the folder."""
    if not (home / LOCK).exists():
        return False
    with (home / LOCK).open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
