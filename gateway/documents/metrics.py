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

# Bounds the label values. The code has some hundred error codes and reasons.
MAX_CODES = 250

Errors = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Labels:
    """Metric labels of an operation; they never contain text from a client."""

    kind: str
    field: str


# A request that was refused before execution.
NOT_EXECUTED = Labels("none", "none")


class Metrics:
    """Counts operations, errors and open connections; one instance per process."""

    def __init__(self) -> None:
        duration = metrics.histogram(
            "esimgo_graphql_operation_duration_seconds",
            "Time of a query or a mutation, by its field and how it ended",
            ("graphql_operation_type", "field", "code"),
            buckets=metrics.ANSWERS,
        )
        self._series = cache(duration.labels)
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
        cache_results = metrics.counter(
            "esimgo_gateway_response_cache",
            "Operations by what the response cache did: hit, miss, or private if it must not store them",
            ("result",),
        )
        self._cache_results = {
            result: cache_results.labels(result) for result in ("hit", "miss", "private")
        }
        self._codes: set[str] = set()

    def count_errors(self, errors: Errors) -> None:
        """Count errors as they are sent to a client."""
        for error in errors:
            code = self._code(error)
            reason = (error.get("extensions") or {}).get("reason", code)
            self._errors.labels(code, self._bounded(str(reason))).inc()

    def answered(self, prepared: Prepared | None, errors: Errors, seconds: float) -> None:
        """Count the response to a query or mutation; `prepared` is None if it was not executed."""
        self._answered(
            NOT_EXECUTED if prepared is None else prepared.once(_labels), errors, seconds
        )

    @contextmanager
    def results(self, prepared: Prepared) -> Iterator[Callable[[Errors, bool], None]]:
        """Count the results of a streamed operation: call the function with each one's errors and `over`."""
        began = time.perf_counter()
        subscription: Labels | None = None

        def sent(errors: Errors, over: bool) -> None:
            nonlocal subscription
            if subscription is not None:
                self.count_errors(errors)
            elif over:
                self._answered(NOT_EXECUTED, errors, time.perf_counter() - began)
                return
            else:
                labels = prepared.once(_labels)
                if labels.kind != "subscription":
                    self._answered(labels, errors, time.perf_counter() - began)
                    return
                subscription = labels
                self._open.labels(labels.field).inc()
            self._events.labels(subscription.field).inc()

        try:
            yield sent
        finally:
            if subscription is not None:
                self._open.labels(subscription.field).dec()

    def count_cache_result(self, result: str) -> None:
        """Count what the response cache did for an operation: hit, miss or private."""
        self._cache_results[result].inc()

    @contextmanager
    def connected(self, transport: str) -> Iterator[None]:
        """Count a connection as open during the block; `transport` is websocket or sse."""
        self._connections.labels(transport).inc()
        try:
            yield
        finally:
            self._connections.labels(transport).dec()

    def _answered(self, labels: Labels, errors: Errors, seconds: float) -> None:
        code = self._code(errors[0]) if errors else "OK"
        self._series(labels.kind, labels.field, code).observe(seconds)
        self.count_errors(errors)

    def _code(self, error: Mapping[str, Any]) -> str:
        return self._bounded(str((error.get("extensions") or {}).get("code", "NONE")))

    def _bounded(self, code: str) -> str:
        if code not in self._codes and len(self._codes) >= MAX_CODES:
            return "OTHER"
        self._codes.add(code)
        return code


def _labels(prepared: Prepared) -> Labels:
    """Return the labels of a valid operation, whose root fields exist in the schema."""
    first, *more = prepared.operation.selection_set.selections
    field = first.name.value if isinstance(first, FieldNode) and not more else "several"
    return Labels(prepared.kind.value, field)
