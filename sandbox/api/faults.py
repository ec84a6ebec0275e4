"""Injected faults: error responses, delays and dropped connections."""

import fnmatch
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cache
from typing import Any


class FaultError(ValueError):
    """An invalid fault; the text describes a valid one."""


@dataclass
class Fault:
    """One fault, applied to `count` requests (0: until it is removed).

    With `effect`, a request is executed before it gets `status` or `drop`. A fault
    with neither only delays, before or after the execution.
    With `bomb_mb` the body is gzip that decompresses to that many megabytes.
    `path` is a pattern with * below the base path: /orders, /esims/*/suspend.
    """

    id: int
    method: str = "*"
    path: str = "*"
    status: int | None = None
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = "application/json"
    delay_seconds: float = 0.0
    drop: bool = False
    effect: str = "none"
    bomb_mb: int = 0
    skip: int = 0
    count: int = 1
    struck: int = 0

    def to_json(self) -> dict[str, Any]:
        """Return the fault for the admin API."""
        return asdict(self)


_TYPES: Mapping[str, tuple[type, ...]] = {
    "method": (str,),
    "path": (str,),
    "status": (int,),
    "body": (object,),
    "headers": (dict,),
    "content_type": (str,),
    "delay_seconds": (int, float),
    "drop": (bool,),
    "effect": (str,),
    "bomb_mb": (int,),
    "skip": (int,),
    "count": (int,),
}
EFFECTS = ("none", "done")
# A megabyte compresses to a kilobyte.
MOST_BOMB_MB = 10_000


@cache
def bomb(megabytes: int) -> bytes:
    """Return a JSON text of one long string, compressed to a thousandth by gzip."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    parts = [packer.compress(b'"'), *(packer.compress(b"a" * 2**20) for _ in range(megabytes))]
    return b"".join([*parts, packer.compress(b'"'), packer.flush()])


def read_fault(id_: int, wanted: Mapping[str, Any]) -> Fault:
    """Return the fault of a JSON object; raise FaultError."""
    for name, value in wanted.items():
        if name not in _TYPES:
            raise FaultError(f"unknown member {name}; a fault supports {', '.join(_TYPES)}")
        if not isinstance(value, _TYPES[name]) or (isinstance(value, bool) and name != "drop"):
            if name == "body":
                continue
            raise FaultError(
                f"{name} must be {' or '.join(kind.__name__ for kind in _TYPES[name])}"
            )
    fault = Fault(id_, **wanted)
    if fault.status is not None and not 100 < fault.status < 600:
        raise FaultError("status must be from 101 to 599")
    if fault.effect not in EFFECTS:
        raise FaultError(f"effect must be one of {', '.join(EFFECTS)}")
    if fault.drop and fault.status is not None:
        raise FaultError("a dropped connection has no status: set only one of them")
    if not fault.drop and fault.status is None and fault.delay_seconds == 0:
        raise FaultError("a fault requires a status, drop: true, or delay_seconds")
    if min(fault.count, fault.skip, fault.delay_seconds, fault.bomb_mb) < 0:
        raise FaultError("count, skip, delay_seconds and bomb_mb must be 0 or more")
    if fault.bomb_mb > MOST_BOMB_MB or (fault.bomb_mb and fault.status is None):
        raise FaultError(f"bomb_mb must be at most {MOST_BOMB_MB}, and requires a status")
    return fault


class Faults:
    """The faults that are set, oldest first."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self._set = 0

    def add(self, wanted: Mapping[str, Any]) -> Fault:
        """Set a fault; raise FaultError."""
        fault = read_fault(self._set + 1, wanted)
        self._set += 1
        self._faults.append(fault)
        return fault

    def strike(self, method: str, path: str) -> Fault | None:
        """Return the fault for this request, if any, and count it."""
        for fault in self._faults:
            if fault.method.upper() not in ("*", method) or not fnmatch.fnmatchcase(
                path, fault.path
            ):
                continue
            if fault.skip > 0:
                fault.skip -= 1
                continue
            fault.struck += 1
            if fault.count and fault.struck >= fault.count:
                self._faults.remove(fault)
            return fault
        return None

    def all(self) -> list[Fault]:
        """Return the faults that can still apply."""
        return list(self._faults)

    def remove(self, id_: int | None = None) -> int:
        """Remove one fault or all; return the number."""
        before = len(self._faults)
        self._faults = [fault for fault in self._faults if id_ is not None and fault.id != id_]
        return before - len(self._faults)
