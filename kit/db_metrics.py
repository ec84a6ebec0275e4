"""How the pool of database connections is used, by OpenTelemetry's conventions."""

from collections.abc import Iterable
from typing import Protocol

from opentelemetry import metrics
from opentelemetry.metrics import CallbackOptions, Observation

# Seconds. A connection that is there takes microseconds; a second means that the pool is too small.
WAITS = (0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 20.0)


class Pool(Protocol):
    """What is asked of a pool."""

    def get_size(self) -> int: ...
    def get_idle_size(self) -> int: ...
    def get_max_size(self) -> int: ...


class Metrics:
    """Instruments of the meter `esimgo.db` for one pool."""

    def __init__(self, pool: Pool, name: str) -> None:
        self._pool = pool
        self._name = {"db.client.connection.pool.name": name}
        meter = metrics.get_meter("esimgo.db")
        meter.create_observable_up_down_counter(
            "db.client.connection.count", [self._count], "{connection}", "Connections, by state"
        )
        meter.create_observable_up_down_counter(
            "db.client.connection.max", [self._max], "{connection}", "Connections at most"
        )
        self._wait = meter.create_histogram(
            "db.client.connection.wait_time",
            "s",
            "Time until a connection was there",
            explicit_bucket_boundaries_advisory=WAITS,
        )
        self._failures = meter.create_counter(
            "esimgo.db.failures",
            "{transaction}",
            "Transactions that failed by the state of the database, by error and reason",
        )
        self._writable = meter.create_gauge(
            "esimgo.db.writable", "{state}", "1 while the database takes writes, 0 while not"
        )

    def waited(self, seconds: float) -> None:
        self._wait.record(seconds, self._name)

    def failed(self, error: BaseException, reason: str) -> None:
        attributes = {"error.type": type(error).__name__, "reason": reason}
        self._failures.add(1, {**self._name, **attributes})

    def writable(self, is_writable: bool) -> None:
        self._writable.set(int(is_writable), self._name)

    def _count(self, _options: CallbackOptions) -> Iterable[Observation]:
        idle = self._pool.get_idle_size()
        for state, number in (("idle", idle), ("used", self._pool.get_size() - idle)):
            yield Observation(number, {**self._name, "db.client.connection.state": state})

    def _max(self, _options: CallbackOptions) -> Iterable[Observation]:
        yield Observation(self._pool.get_max_size(), self._name)
