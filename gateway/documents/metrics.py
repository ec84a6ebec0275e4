"""Metrics of the gateway."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

from graphql import FieldNode

from gateway.documents.prepared import Prepared
from kit.telemetry import metrics

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
    """Counts operations, errors and open connections; one object a process."""

    def __init__(self) -> None:
        duration = metrics.histogram(
            "esimgo_graphql_operation_duration_seconds",
            "Time of a query or a mutation, by its field and how it ended",
            ("graphql_operation_type", "field", "code"),
            buckets=metrics.ANSWERS,
        )
        self._series = cache(duration.labels)  # fields and codes: a few hundred
        self._errors = metrics.counter(
            "esimgo_graphql_errors",
            "Errors sent to clients, by code and reason",
            ("code", "reason"),
        )
        self._open = metrics.gauge(
            "esimgo_graphql_subscriptions", "Subscriptions that are open, by field", ("field",)
        )
        self._events = metrics.counter(
            "esimgo_graphql_events", "Events that subscriptions sent, by field", ("field",)
        )
        self._connections = metrics.gauge(
            "esimgo_gateway_connections",
            "WebSockets and event streams that are open",
            ("transport",),
        )
        kept = metrics.counter(
            "esimgo_gateway_response_cache",
            "Operations by what the response cache did: hit, miss, or private when it mustn't keep them",
            ("result",),
        )
        self._kept = {result: kept.labels(result) for result in ("hit", "miss", "private")}
        self._codes: set[str] = set()

    def told(self, errors: Errors) -> None:
        """Errors on their way to a client, as it gets them."""
        for error in errors:
            code = self._code(error)
            reason = (error.get("extensions") or {}).get("reason", code)
            self._errors.labels(code, self._known(str(reason))).inc()

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
                self._open.labels(asked.field).inc()
            self._events.labels(followed.field).inc()

        try:
            yield sent
        finally:
            if followed is not None:
                self._open.labels(followed.field).dec()

    def kept(self, result: str) -> None:
        """What the response cache did for an operation: hit, miss or private."""
        self._kept[result].inc()

    @contextmanager
    def connected(self, transport: str) -> Iterator[None]:
        """Around a connection that stays open: websocket or sse."""
        self._connections.labels(transport).inc()
        try:
            yield
        finally:
            self._connections.labels(transport).dec()

    def _answered(self, asked: Asked, errors: Errors, seconds: float) -> None:
        code = self._code(errors[0]) if errors else "OK"
        self._series(asked.kind, asked.field, code).observe(seconds)
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
