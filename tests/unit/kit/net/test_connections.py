"""Closing TCP connections of this process by the address of their peer."""

import gc
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from kit.net import connections
from tests.fixtures.no_more_files import no_more_files

MANY = 100


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0), backlog=MANY) as made:
        yield made


def peer_of(client: socket.socket) -> str:
    """Return a client's name as gRPC has it."""
    return f"ipv4:127.0.0.1:{client.getsockname()[1]}"


def test_only_the_connection_of_the_peer_is_closed(listening: socket.socket) -> None:
    port = listening.getsockname()[1]
    with (
        socket.create_connection(("127.0.0.1", port)) as one,
        listening.accept()[0],
        socket.create_connection(("127.0.0.1", port)) as other,
        listening.accept()[0] as kept,
    ):
        assert not connections.close(peer_of(one), port + 1)
        assert connections.close(peer_of(one), port)
        assert one.recv(1) == b""
        kept.send(b"x")
        assert other.recv(1) == b"x"
        assert connections.close(peer_of(other), port)
        assert other.recv(1) == b""


def test_a_later_connection_with_the_same_descriptor_stays_open(listening: socket.socket) -> None:
    port = listening.getsockname()[1]
    gc.collect()  # frees the descriptors of earlier tests, which are not to be used here
    with ExitStack() as open_:
        first, second = (
            open_.enter_context(socket.create_connection(("127.0.0.1", port))) for _ in range(2)
        )
        accepted = [listening.accept()[0] for _ in range(2)]
        assert connections.close(peer_of(first), port)  # lists both
        numbers = {one.fileno() for one in accepted}
        for one in accepted:
            one.close()
        later = [open_.enter_context(socket.socket()) for _ in range(2)]
        assert {one.fileno() for one in later} == numbers
        for one in later:
            one.connect(("127.0.0.1", port))
        assert not connections.close(peer_of(second), port)
        open_.enter_context(listening.accept()[0]).send(b"x")
        assert later[0].recv(1) == b"x"


def test_closing_many_connections_lists_the_descriptors_once(
    listening: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, listings = connections.OPEN_FILES, 0

    class Counted:
        def iterdir(self) -> Iterator[Path]:
            nonlocal listings
            listings += 1
            return folder.iterdir()

    monkeypatch.setattr(connections, "OPEN_FILES", Counted())
    port = listening.getsockname()[1]
    with ExitStack() as open_:
        clients = []
        for _ in range(MANY):
            clients.append(open_.enter_context(socket.create_connection(("127.0.0.1", port))))
            open_.enter_context(listening.accept()[0])
        assert all(connections.close(peer_of(client), port) for client in clients)
    assert listings == 1


def test_without_a_free_descriptor_no_connection_is_found(listening: socket.socket) -> None:
    port = listening.getsockname()[1]
    with socket.create_connection(("127.0.0.1", port)) as client, listening.accept()[0]:
        with no_more_files():
            assert not connections.close(peer_of(client), port)
        assert connections.close(peer_of(client), port)
        assert client.recv(1) == b""
