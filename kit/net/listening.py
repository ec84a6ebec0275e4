"""Why a process can't listen where its settings say, in words that name the setting."""

import errno
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from kit.errors import StartError


@contextmanager
def at(host: str, port: int, settings: str) -> Iterator[None]:
    """Around what opens a port: its OSError becomes a StartError.

    `settings` is what the names of both variables begin with, such as CATALOGUE.
    """
    try:
        yield
    except OSError as error:
        raise StartError(_words(host, port, settings, error)) from error


def check(host: str, port: int) -> None:
    """Raise OSError if the port can't be opened, by opening it for a moment: gRPC gives no reason."""
    family, kind, protocol, _, address = socket.getaddrinfo(
        host.strip("[]"), port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    with socket.socket(family, kind, protocol) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(address)
        probe.listen(1)  # two may be bound to one port, while only one listens


def _words(host: str, port: int, settings: str, error: OSError) -> str:
    if isinstance(error, socket.gaierror):
        return f"{settings}_HOST: {host!r} is not an address of this machine: {error.strerror}"
    match error.errno:
        case errno.EADDRINUSE:
            return (
                f"{settings}_PORT: port {port} is in use: stop the process that listens there, or"
                " choose another port"
            )
        case errno.EACCES | errno.EPERM:
            return (
                f"{settings}_PORT: this user may not listen on port {port}: choose a port"
                " above 1023"
            )
        case errno.EADDRNOTAVAIL:
            return (
                f"{settings}_HOST: {host!r} is not an address of this machine: use one of its"
                " addresses, 127.0.0.1 for local access only, or 0.0.0.0 for all interfaces"
            )
    reason = error.strerror or str(error)
    return f"{settings}_HOST and {settings}_PORT: can't listen on {host}:{port}: {reason}"
