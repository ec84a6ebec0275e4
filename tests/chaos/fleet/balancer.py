"""HAProxy before the processes that speak HTTP, told as little of them as a cloud's balancer is."""

import shutil
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

from cli.local.supervisor import Program

MISSING = "HAProxy is missing: apt-get install haproxy, then try again"
NEEDED = "needs HAProxy (Debian: apt-get install haproxy)"
# `check` asks /healthz, as the probes of deploy/k8s do and for their reason: with /readyz one service
# that stops would take every gateway away. A process that answered badly twice gets nothing new, and
# keeps what it has, as it may only be stopping. Only what never reached a process is
# sent to another one: HAProxy can't know whether a POST was carried out.
CONFIGURATION = """
global
    maxconn 2000
    log stdout format raw local0 notice
defaults
    mode http
    log global
    timeout connect 1s
    timeout client 60s
    timeout server 45s
    timeout tunnel 1h
    timeout check 1s
    retries 3
    retry-on conn-failure
    option redispatch 1
    option httpchk GET /healthz
    default-server check inter 400ms fall 2 rise 1
"""


def found() -> bool:
    """Whether this machine has HAProxy."""
    return _path() is not None


def write(file: Path, doors: Mapping[str, tuple[int, Sequence[str]]]) -> None:
    """The configuration: for each door its port on 127.0.0.1, and where its processes may be."""
    parts = [CONFIGURATION]
    for name, (port, hosts) in doors.items():
        servers = [f"    server {name}-{n} {host}:{port}" for n, host in enumerate(hosts)]
        parts.append("\n".join([f"listen {name}", f"    bind 127.0.0.1:{port}", *servers, ""]))
    file.write_text("\n".join(parts))


def program(
    file: Path, environment: Mapping[str, str], ready: Callable[[], Awaitable[bool]]
) -> Program:
    """It runs with that configuration; raises RuntimeError where there is none."""
    path = _path()
    if path is None:
        raise RuntimeError(MISSING)
    return Program(
        name="balancer",
        command=(path, "-db", "-f", str(file)),
        environment=environment,
        ready=ready,
    )


def _path() -> str | None:
    # Debian keeps it where only root's PATH looks.
    return shutil.which("haproxy") or shutil.which("haproxy", path="/usr/sbin")
