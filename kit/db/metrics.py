"""Metrics of a pool of database connections, named by OpenTelemetry's conventions."""

from typing import Protocol

from kit.telemetry import metrics

POOL = "db_client_connection_pool_name"
# Seconds. A free connection takes microseconds; a second means that the pool is too small.
WAITS = (0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 20.0)


class Pool(Protocol):
    """The part of a connection pool that is measured."""

    def get_size(self) -> int: ...
    def get_idle_size(self) -> int: ...
    def get_max_size(self) -> int: ...


class Metrics:
    """Metrics of one pool; a later pool of the same name replaces it."""

    def __init__(self, pool: Pool, name: str) -> None:
        self._name = name
        count = metrics.gauge(
            "db_client_connection_count",
            "Connections, by state",
            (POOL, "db_client_connection_state"),
        )
        count.labels(name, "idle").set_function(pool.get_idle_size)
        count.labels(name, "used").set_function(lambda: pool.get_size() - pool.get_idle_size())
        limit = metrics.gauge("db_client_connection_max", "Connections at most", (POOL,))
        limit.labels(name).set_function(pool.get_max_size)
        self._wait = metrics.histogram(
            "db_client_connection_wait_time_seconds",
            "Time spent waiting for a connection of the pool",
            (POOL,),
            buckets=WAITS,
        ).labels(name)
        self._failures = metrics.counter(
            "esimgo_db_failures",
            "Transactions that failed because of the database's state, by error and reason",
            (POOL, "error_type", "reason"),
        )
        self._writable = metrics.gauge(
            "esimgo_db_writable", "1 while the database accepts writes, else 0", (POOL,)
        )

    def waited(self, seconds: float) -> None:
        self._wait.observe(seconds)

    def failed(self, error: BaseException, reason: str) -> None:
        self._failures.labels(self._name, type(error).__name__, reason).inc()

    def writable(self, is_writable: bool) -> None:
        self._writable.labels(self._name).set(int(is_writable))
