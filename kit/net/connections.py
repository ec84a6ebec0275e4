"""Ends a TCP connection of this process by its peer's address: gRPC has no call for that."""

import os
import socket
import stat
from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address, ip_address
from urllib.parse import unquote

# Every open file of the process by its number, on Linux and macOS.
OPEN_FILES = "/dev/fd"


def cut(peer: str, port: int) -> bool:
    """Shut the connection down that `peer` has with our `port`; False if there is none.

    `peer` is as gRPC writes it: `ipv4:127.0.0.1:5000` or `ipv6:%5B::1%5D:5000`. Its library notices
    the end of the connection, cancels its calls and frees what was to be sent on it.
    """
    address = _address(peer)
    if address is None:
        return False
    for name in os.listdir(OPEN_FILES):  # noqa: PTH208 - names are all it is about
        with suppress(OSError):  # a file may be closed meanwhile
            number = int(name)
            if not stat.S_ISSOCK(os.fstat(number).st_mode):
                continue
            # A duplicate, as the number may become another file's at any time.
            with socket.socket(fileno=os.dup(number)) as duplicate:
                if duplicate.family not in (socket.AF_INET, socket.AF_INET6):
                    continue
                remote, local = duplicate.getpeername(), duplicate.getsockname()
                if local[1] == port and (_plain(remote[0]), remote[1]) == address:
                    duplicate.shutdown(socket.SHUT_RDWR)
                    return True
    return False


def _address(peer: str) -> tuple[IPv4Address | IPv6Address, int] | None:
    scheme, _, rest = unquote(peer).partition(":")
    if scheme not in ("ipv4", "ipv6"):
        return None
    host, _, port = rest.rpartition(":")
    return _plain(host.strip("[]")), int(port)


def _plain(host: str) -> IPv4Address | IPv6Address:
    """The address; one of IPv4 that came in by a socket of IPv6 as what it is."""
    address = ip_address(host.partition("%")[0])
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address
