"""Ports that are in use, and the processes that use them."""

import socket
from collections.abc import Mapping

import psutil


def in_use(ports: Mapping[str, int]) -> dict[str, int]:
    """Return the ports on which a process listens, by the name of their variable."""
    return {name: port for name, port in ports.items() if not _free(port)}


def explain(name: str, port: int) -> str:
    """Describe a port that is in use."""
    return (
        f"port {port} is in use by {holder(port) or 'another program'}: stop it, or choose another"
        f" port with {name}"
    )


def _free(port: int) -> bool:
    with socket.socket() as probe:
        # As the servers do: connections that just ended don't block a port.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def holder(port: int) -> str | None:
    """Describe the process that listens on a port; None if this user may not see it."""
    try:
        for connection in psutil.net_connections("tcp"):
            if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port:
                if connection.pid is None:
                    return None
                command = " ".join(psutil.Process(connection.pid).cmdline()[:4])
                return f"process {connection.pid} ({command})"
    except psutil.Error:  # no permission to see the processes of other users
        return None
    return None
