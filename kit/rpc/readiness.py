"""Whether the gRPC servers of this process are ready, for probes of its metrics port.

Probes over gRPC share the port, and the library's queue, with everybody who calls it: a flood of calls
cancels them too, though the server is well.
"""

from collections.abc import Callable

_servers: set[Callable[[], bool]] = set()


def add(serving: Callable[[], bool]) -> Callable[[], None]:
    """Take a server into account until the returned function is called."""
    _servers.add(serving)
    return lambda: _servers.discard(serving)


def ready() -> bool | None:
    """True if every server says SERVING; None where there is no server, or none yet."""
    return all(serving() for serving in _servers) if _servers else None
