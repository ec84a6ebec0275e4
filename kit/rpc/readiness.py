"""Readiness of this process's gRPC servers, for HTTP probes of its metrics port.

gRPC probes share the port and the library's queue with all callers, so a flood of calls cancels them too,
although the server is healthy.
"""

from collections.abc import Callable

_servers: set[Callable[[], bool]] = set()


def add(serving: Callable[[], bool]) -> Callable[[], None]:
    """Include a server until the returned function is called."""
    _servers.add(serving)
    return lambda: _servers.discard(serving)


def ready() -> bool | None:
    """True if every server is SERVING; None without a server."""
    return all(serving() for serving in _servers) if _servers else None
