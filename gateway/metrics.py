"""What the gateway measures, through OpenTelemetry's API; without an SDK it costs nothing."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from graphql import FieldNode
from opentelemetry import metrics
from opentelemetry.metrics import CallbackOptions, Observation

from gateway.prepared import Prepared
from kit.buckets import ANSWERS

# Codes and reasons are constants in the code, and some hundred.
MAX_CODES = 250

Errors = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Asked:
    """An operation as metrics name it: never by anything that a client chose."""

    kind: str
    field: str


# What never got as far as being executed.
NOTHING = Asked("none", "none")


class Metrics:
    """Instruments of the meter `esimgo.gateway`; one object a process."""

    def __init__(self) -> None:
        meter = metrics.get_meter("esimgo.gateway")
        self._duration = meter.create_histogram(
            "esimgo.graphql.operation.duration",
            "s",
            "Time of a query or a mutation, by its field and how it ended",
            explicit_bucket_boundaries_advisory=ANSWERS,
        )
        self._errors = meter.create_counter(
            "esimgo.graphql.errors",
            "{error}",
            "Errors sent to clients, by code and reason",
        )
        self._open = meter.create_up_down_counter(
            "esimgo.graphql.subscriptions",
            "{subscription}",
            "Subscriptions that are open, by field",
        )
        self._events = meter.create_counter(
            "esimgo.graphql.events", "{event}", "Events that subscriptions sent, by field"
        )
        self._connections = meter.create_up_down_counter(
            "esimgo.gateway.connections",
            "{connection}",
            "WebSockets and event streams that are open",
        )
        # Counted by us and read when somebody asks: telling each one takes as long as answering it.
        self._kept = dict.fromkeys(("hit", "miss", "private"), 0)
        meter.create_observable_counter(
            "esimgo.gateway.response_cache",
            [self._observe_kept],
            "{operation}",
            "Operations by what the response cache did: hit, miss, or private when it mustn't keep them",
        )
        self._codes: set[str] = set()

    def told(self, errors: Errors) -> None:
        """Errors on their way to a client, as it gets them."""
        for error in errors:
            code = self._code(error)
            reason = (error.get("extensions") or {}).get("reason", code)
            self._errors.add(1, {"code": code, "reason": self._known(str(reason))})

    def answered(self, prepared: Prepared | None, errors: Errors, seconds: float) -> None:
        """Count the answer to a query or a mutation; `prepared` is None if it was not executed."""
        self._answered(NOTHING if prepared is None else prepared.once(_asked), errors, seconds)

    @contextmanager
    def following(self, prepared: Prepared) -> Iterator[Callable[[Errors, bool], None]]:
        """Around the results of an operation of any kind; takes each one's errors, and if it is over."""
        began = time.perf_counter()
        followed: Asked | None = None

        def sent(errors: Errors, over: bool) -> None:
            nonlocal followed
            if followed is not None:
                self.told(errors)
            elif over:
                self._answered(NOTHING, errors, time.perf_counter() - began)
                return
            else:
                asked = prepared.once(_asked)
                if asked.kind != "subscription":
                    self._answered(asked, errors, time.perf_counter() - began)
                    return
                followed = asked
                self._open.add(1, {"field": asked.field})
            self._events.add(1, {"field": followed.field})

        try:
            yield sent
        finally:
            if followed is not None:
                self._open.add(-1, {"field": followed.field})

    def kept(self, result: str) -> None:
        """What the response cache did for an operation: hit, miss or private."""
        self._kept[result] += 1

    def _observe_kept(self, _options: CallbackOptions) -> Iterator[Observation]:
        for result, count in self._kept.items():
            yield Observation(count, {"result": result})

    @contextmanager
    def connected(self, transport: str) -> Iterator[None]:
        """Around a connection that stays open: websocket or sse."""
        self._connections.add(1, {"transport": transport})
        try:
            yield
        finally:
            self._connections.add(-1, {"transport": transport})

    def _answered(self, asked: Asked, errors: Errors, seconds: float) -> None:
        self._duration.record(
            seconds,
            {
                "graphql.operation.type": asked.kind,
                "field": asked.field,
                "code": self._code(errors[0]) if errors else "OK",
            },
        )
        self.told(errors)

    def _code(self, error: Mapping[str, Any]) -> str:
        return self._known(str((error.get("extensions") or {}).get("code", "NONE")))

    def _known(self, code: str) -> str:
        if code not in self._codes and len(self._codes) >= MAX_CODES:
            return "OTHER"
        self._codes.add(code)
        return code


def _asked(prepared: Prepared) -> Asked:
    """Only of documents that were found valid: their root fields are the schema's."""
    first, *more = prepared.operation.selection_set.selections
    field = first.name.value if isinstance(first, FieldNode) and not more else "several"
    return Asked(prepared.kind.value, field)
