"""HAProxy in front of the HTTP processes, configured as simply as a cloud's load balancer."""

import shutil
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

from cli.local.supervisor import Program

MISSING = "HAProxy is missing: apt-get install haproxy, then try again"
NEEDED = "needs HAProxy (Debian: apt-get install haproxy)"
# `check` requests /healthz, as the probes of deploy/k8s do: with /readyz one stopping service would remove
# every gateway. A process with two failed checks gets no new connections and keeps the open ones, as it may
# only be stopping. Only requests that never reached a process are retried elsewhere: HAProxy can't know
# whether a POST was executed.
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


def is_installed() -> bool:
    return _path() is not None


def write(file: Path, endpoints: Mapping[str, tuple[int, Sequence[str]]]) -> None:
    """Write the configuration: for each endpoint its port on 127.0.0.1 and its possible servers."""
    parts = [CONFIGURATION]
    for name, (port, hosts) in endpoints.items():
        servers = [f"    server {name}-{n} {host}:{port}" for n, host in enumerate(hosts)]
        parts.append("\n".join([f"listen {name}", f"    bind 127.0.0.1:{port}", *servers, ""]))
    file.write_text("\n".join(parts))


def program(
    file: Path, environment: Mapping[str, str], ready: Callable[[], Awaitable[bool]]
) -> Program:
    """Run HAProxy with that configuration; raises RuntimeError where it isn't installed."""
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
    # Debian installs it where only root's PATH looks.
    return shutil.which("haproxy") or shutil.which("haproxy", path="/usr/sbin")
