"""What the doctor looks at on this machine: Python, packages, settings, ports."""

import platform
import re
import sys
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

from cli.config.processes import PROCESSES
from cli.config.settings import LocalSettings
from cli.doctor.finding import Finding
from cli.local import ports

PINNED = re.compile(r"^(?P<name>[\w.-]+)==(?P<version>[^\s;]+)(?P<only>\s*;)?", re.MULTILINE)
OLDEST = (3, 11)


def python() -> Finding:
    """The interpreter that runs us, and with it everything."""
    text = f"Python {platform.python_version()}"
    if sys.version_info >= OLDEST:
        return Finding(text)
    return Finding(text, "install Python 3.11 or newer and run `make clean up`")


def packages(lock: Path) -> Finding:
    """Whether what is installed is what the lock says."""
    other = []
    for pinned in PINNED.finditer(lock.read_text()):
        try:
            installed = metadata.version(pinned["name"])
        except metadata.PackageNotFoundError:
            if pinned["only"]:  # for other systems or other versions of Python
                continue
            installed = "none"
        if installed != pinned["version"]:
            other.append(f"{pinned['name']} {installed}, not {pinned['version']}")
    if not other:
        return Finding(f"the packages of {lock.name} are installed")
    more = f" and {len(other) - 3} more" if len(other) > 3 else ""
    return Finding(
        f"packages differ from {lock.name}: {'; '.join(other[:3])}{more}",
        "run `make clean up`, or any other target, which installs them",
    )


def processes(values: Mapping[str, str]) -> list[Finding]:
    """Whether each process could start with what it is told."""
    found = []
    for process in PROCESSES:
        env, _ = process.read(values)
        found += [Finding(f"{process.name}: {text}", _mend(text)) for text in env.problems]
    return found or [Finding("the required settings of every process are set")]


def pages(values: Mapping[str, str]) -> Finding:
    """Which pages may call the gateway."""
    gateway = next(process for process in PROCESSES if process.name == "gateway")
    _, settings = gateway.read(values)
    return Finding(
        f"pages that may call the gateway (GATEWAY_CORS_ORIGINS): {settings.cors_origins}"
    )


def free_ports(settings: LocalSettings) -> list[Finding]:
    """For when nothing of ours runs: whether it could."""
    metrics = {
        f"{name.upper()}_METRICS_PORT": port for name, port in settings.metrics_ports.items()
    }
    busy = ports.taken({**settings.own_ports(), **metrics})
    if not busy:
        return [Finding("the ports are free")]
    return [
        Finding(
            f"port {port} is in use by {ports.holder(port) or 'a program of another user'}",
            f"stop it, or choose another port with {name}",
        )
        for name, port in busy.items()
    ]


def _mend(problem: str) -> str:
    names = ", ".join(dict.fromkeys(re.findall(r"\b[A-Z][A-Z0-9]*_[A-Z0-9_]+\b", problem)))
    return f"set {names} in the environment or in .env (.env.example explains each)"
