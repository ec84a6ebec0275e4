"""Closes a TCP connection of this process, found by its peer's address: gRPC has no API for that."""

import os
import socket
import stat
from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from urllib.parse import unquote

# Lists the file descriptors of the process, on Linux and macOS.
OPEN_FILES = Path("/dev/fd")


Address = tuple[IPv4Address | IPv6Address, int]
# Descriptors by the peer's address and the local port, as of the last listing. It takes milliseconds, and
# there may be hundreds of connections to close.
_listed: dict[tuple[Address, int], int] = {}


def close(peer: str, port: int) -> bool:
    """Close the connection between `peer` and the local `port`; return False if there is none.

    `peer` is in gRPC's format: `ipv4:127.0.0.1:5000` or `ipv6:%5B::1%5D:5000`. gRPC notices that the
    connection was shut down, cancels its calls and frees their unsent messages.
    """
    address = _address(peer)
    if address is None:
        return False
    ends = (address, port)
    if _ends(_listed.pop(ends, -1), close=ends) == ends:
        return True
    _listed.clear()
    for entry in OPEN_FILES.iterdir():
        number = int(entry.name)
        if (found := _ends(number)) is not None:
            _listed[found] = number
    return _ends(_listed.pop(ends, -1), close=ends) == ends


def _ends(number: int, close: tuple[Address, int] | None = None) -> tuple[Address, int] | None:
    """Return the ends of the connection with this descriptor, and close it if they are those to `close`."""
    with suppress(OSError):  # the descriptor may have been closed since
        if not stat.S_ISSOCK(os.fstat(number).st_mode):
            return None
        # A duplicate, because another thread may close the descriptor and reuse its number at any time.
        with socket.socket(fileno=os.dup(number)) as duplicate:
            if duplicate.family not in (socket.AF_INET, socket.AF_INET6):
                return None
            remote, local = duplicate.getpeername(), duplicate.getsockname()
            ends = ((_parse(remote[0]), remote[1]), local[1])
            if ends == close:
                duplicate.shutdown(socket.SHUT_RDWR)
            return ends
    return None


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
