"""Messages for ports that can't be opened: each names the setting and says what to do."""

import errno
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from kit.errors import StartError

# Why there is no socket for an address on a system without IPv6, for which `localhost` may have one.
NO_IPV6 = (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL)


@contextmanager
def at(host: str, port: int, settings: str) -> Iterator[None]:
    """Convert an OSError of the block, which opens a port, to a StartError.

    `settings` is the common prefix of the settings for host and port, such as CATALOGUE.
    """
    try:
        yield
    except OSError as error:
        raise StartError(_message(host, port, settings, error)) from error


def check(host: str, port: int) -> None:
    """Open the port briefly at each address of the host, and raise OSError if that fails.

    gRPC gives no reason, and is content with one of several addresses. Without IPv6, only IPv4 is checked.
    """
    found = socket.getaddrinfo(
        host.strip("[]"), port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )
    checked = False
    # IPv4 first.
    for family, kind, protocol, _, address in sorted(dict.fromkeys(found), key=lambda one: one[0]):
        try:
            with socket.socket(family, kind, protocol) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(address)
                probe.listen(1)  # two sockets may be bound to a port, but only one may listen
        except OSError as error:
            if not (checked and family == socket.AF_INET6 and error.errno in NO_IPV6):
                raise
        checked = True


def _message(host: str, port: int, settings: str, error: OSError) -> str:
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
