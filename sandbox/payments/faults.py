"""Faults of the payment API that tests inject, once or with a probability."""

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from sandbox.payments.errors import ApiError, Json, invalid

# The default effect: "done" executes the request before the fault.
KINDS = {
    "error": "none",
    "timeout": "none",
    "cut": "done",
    "conflict": "none",
    "rate_limit": "none",
    "html": "none",
    "empty": "done",
    "redirect": "none",
    "slow": "done",
}


@dataclass
class Fault:
    """One fault; it applies to `count` requests, or until it is removed if that is 0."""

    id: int
    kind: str
    method: str = "*"
    path: str = "*"
    effect: str = "none"
    status: int = 500
    code: str | None = None
    stored: bool = False
    should_retry: bool | None = None
    delay_seconds: float = 0.0
    skip: int = 0
    count: int = 1
    probability: float = 1.0
    seed: int = 1
    struck: int = 0
    _random: random.Random = field(default_factory=random.Random, repr=False)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)

    @property
    def executes(self) -> bool:
        """True if the request is executed before the fault."""
        return self.effect == "done"

    def applies(self, method: str, path: str) -> bool:
        """Return true if this request gets the fault."""
        if self.method.upper() not in ("*", method) or not fnmatchcase(path, self.path):
            return False
        if self.skip > 0:
            self.skip -= 1
            return False
        return self.probability >= 1 or self._random.random() < self.probability

    def error(self) -> ApiError:
        """Return the error that the client gets, for the kinds that answer with one."""
        if self.kind == "conflict":
            message = "There is currently another in-progress request using this Idempotency-Key."
            kind, code = "idempotency_error", self.code or "idempotency_key_in_use"
            return ApiError(409, message, kind=kind, code=code)
        if self.kind == "rate_limit":
            return ApiError(429, "Request rate limit exceeded.", code=self.code or "rate_limit")
        message = "An unknown error occurred"
        kind = "api_error" if self.status >= 500 else "invalid_request_error"
        return ApiError(self.status, message, kind=kind, code=self.code)

    def to_json(self) -> Json:
        """Return the fault for the admin API."""
        return {name: value for name, value in vars(self).items() if name != "_random"}


class Faults:
    """The faults that are set, oldest first."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self._added = 0

    def add(self, wanted: Mapping[str, Any]) -> Fault:
        """Set a fault; raise ApiError for an invalid one."""
        fields = dict(wanted)
        kind = fields.pop("kind")
        fields.setdefault("effect", KINDS[kind])
        if kind == "error":
            # A failure after the request began executing is stored under the idempotency key.
            fields.setdefault("stored", fields["effect"] == "done")
        elif fields.get("stored"):
            raise invalid("Only errors can be stored", "stored")
        self._added += 1
        fault = Fault(self._added, kind, **fields)
        self._faults.append(fault)
        return fault

    def strike(self, method: str, path: str) -> Fault | None:
        """Return the fault for this request, if any, and count it."""
        for fault in self._faults:
            if not fault.applies(method, path):
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
