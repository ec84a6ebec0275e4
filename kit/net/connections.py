"""Closes a TCP connection of this process, found by its peer's address: gRPC has no API for that."""

import os
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from urllib.parse import unquote

# Lists the file descriptors of the process, on Linux and macOS.
OPEN_FILES = Path("/dev/fd")

Address = tuple[IPv4Address | IPv6Address, int]
# The peer's address and the local port.
Ends = tuple[Address, int]
# Descriptors as of the last listing, which takes milliseconds: there may be hundreds of connections to close.
_listed: dict[Ends, int] = {}


def close(peer: str, port: int) -> bool:
    """Close the connection between `peer` and the local `port`; return False if there is none.

    `peer` is in gRPC's format: `ipv4:127.0.0.1:5000` or `ipv6:%5B::1%5D:5000`. gRPC notices that the
    connection was shut down, cancels its calls and frees their unsent messages. It takes a free file
    descriptor to find the connection; without one, False is returned too.
    """
    address = _address(peer)
    if address is None:
        return False
    if _close_listed((address, port)):
        return True
    _list()
    return _close_listed((address, port))


def _close_listed(ends: Ends) -> bool:
    """Close a listed connection, if its descriptor still has these ends."""
    number = _listed.pop(ends, None)
    with suppress(OSError), _connection(number) as found:
        if found is not None and _ends(found) == ends:
            found.shutdown(socket.SHUT_RDWR)
            return True
    return False


def _list() -> None:
    _listed.clear()
    with suppress(OSError):
        for entry in OPEN_FILES.iterdir():
            number = int(entry.name)
            with suppress(OSError), _connection(number) as found:
                if found is not None:
                    _listed[_ends(found)] = number


@contextmanager
def _connection(number: int | None) -> Iterator[socket.socket | None]:
    """Open a duplicate of a descriptor within the block; None if it is no TCP socket. Raises OSError.

    A duplicate, because another thread may close the descriptor and reuse its number at any time.
    """
    if number is None or not stat.S_ISSOCK(os.fstat(number).st_mode):
        yield None
        return
    with socket.socket(fileno=os.dup(number)) as duplicate:
        is_tcp = duplicate.family in (socket.AF_INET, socket.AF_INET6)
        yield duplicate if is_tcp else None


def _ends(connection: socket.socket) -> Ends:
    remote, local = connection.getpeername(), connection.getsockname()
    return (_parse(remote[0]), remote[1]), local[1]


def _address(peer: str) -> Address | None:
    scheme, _, rest = unquote(peer).partition(":")
    if scheme not in ("ipv4", "ipv6"):
        return None
    host, _, port = rest.rpartition(":")
    return _parse(host.strip("[]")), int(port)


def _parse(host: str) -> IPv4Address | IPv6Address:
    """Parse an address; return an IPv4-mapped IPv6 address, as dual-stack sockets report it, as IPv4."""
    address = ip_address(host.partition("%")[0])
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address
