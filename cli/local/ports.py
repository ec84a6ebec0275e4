"""Which of the needed ports are taken, and by whom as far as this user may see it."""

import socket
from collections.abc import Mapping

import psutil


def taken(ports: Mapping[str, int]) -> dict[str, int]:
    """Those ports, by the name of their variable, on which somebody listens."""
    return {name: port for name, port in ports.items() if not _free(port)}


def explain(name: str, port: int) -> str:
    """Describe a port that is in use."""
    return (
        f"port {port} is in use by {holder(port) or 'another program'}: stop it, or choose another"
        f" port with {name}"
    )


def _free(port: int) -> bool:
    with socket.socket() as probe:
        # As our servers do it: connections that just ended don't keep a port.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def holder(port: int) -> str | None:
    """The process that listens on a port, as far as this user may see it."""
    try:
        for connection in psutil.net_connections("tcp"):
            if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port:
                if connection.pid is None:
                    return None
                command = " ".join(psutil.Process(connection.pid).cmdline()[:4])
                return f"process {connection.pid} ({command})"
    except psutil.Error:  # other users' processes may be none of our business
        return None
    return None
