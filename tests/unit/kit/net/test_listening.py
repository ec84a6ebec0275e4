"""The check of a port before gRPC opens it, which is content with one of several addresses."""

import errno
import socket
from typing import Any

import pytest

from kit.net import listening

ABSENT = (socket.AF_INET6, ("2001:db8::1", 0, 0, 0))


def resolve_to(monkeypatch: pytest.MonkeyPatch, *ends: tuple[int, tuple[Any, ...]]) -> None:
    """Let every name have these addresses."""
    found = [(family, socket.SOCK_STREAM, 6, "", end) for family, end in ends]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)


@pytest.mark.parametrize("taken", ["127.0.0.1", "127.0.0.2"])
def test_a_port_is_in_use_if_it_is_at_any_address_of_the_host(
    monkeypatch: pytest.MonkeyPatch, taken: str
) -> None:
    with socket.create_server((taken, 0)) as server:
        port = server.getsockname()[1]
        both = [(socket.AF_INET, (host, port)) for host in ("127.0.0.1", "127.0.0.2")]
        resolve_to(monkeypatch, *both)
        with pytest.raises(OSError, match="in use") as raised:
            listening.check("localhost", port)
    assert raised.value.errno == errno.EADDRINUSE
    listening.check("localhost", port)


def test_without_ipv6_the_ipv4_address_of_a_name_suffices(monkeypatch: pytest.MonkeyPatch) -> None:
    resolve_to(monkeypatch, ABSENT, (socket.AF_INET, ("127.0.0.1", 0)))
    listening.check("localhost", 0)
    resolve_to(monkeypatch, ABSENT)
    with pytest.raises(OSError, match="assign requested address"):
        listening.check("localhost", 0)
