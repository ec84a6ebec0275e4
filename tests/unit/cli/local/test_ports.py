import os
import socket

from cli.local import ports


def test_a_taken_port_is_reported_with_its_variable_and_its_holder() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert ports.in_use({"GATEWAY_PORT": port}) == {"GATEWAY_PORT": port}
        text = ports.explain("GATEWAY_PORT", port)
    assert f"port {port} is in use by process {os.getpid()}" in text
    assert "choose another port with GATEWAY_PORT" in text


def test_a_port_is_free_as_soon_as_its_listener_closes() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        # A closed connection leaves the port in TIME_WAIT, which must not count.
        with socket.create_connection(("127.0.0.1", port)):
            server.accept()[0].close()
    assert ports.in_use({"GATEWAY_PORT": port}) == {}
