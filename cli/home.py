"""The state folder: one `esimgo up` at a time, told by a lock that ends with its holder."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LOCK = "up.lock"


class InUseError(Exception):
    """Another `esimgo up` uses the folder."""


@contextmanager
def locked(home: Path) -> Iterator[None]:
    """Holds the folder; raises InUseError when it is held. The system frees it when we die."""
    home.mkdir(parents=True, exist_ok=True)
    with (home / LOCK).open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise InUseError(
                f"`esimgo up` already runs with {home} (process {file.read().strip() or 'unknown'}):"
                " stop it, or give this one another ESIMGO_HOME and other ports"
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def in_use(home: Path) -> bool:
    """Whether an `esimgo up` runs with the folder now."""
    if not (home / LOCK).exists():
        return False
    with (home / LOCK).open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
