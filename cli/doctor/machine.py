"""Checks of this machine: Python, packages, settings and ports."""

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
    """Check the version of the interpreter."""
    text = f"Python {platform.python_version()}"
    if sys.version_info >= OLDEST:
        return Finding(text)
    return Finding(text, "install Python 3.11 or newer and run `make clean up`")


def packages(lock: Path) -> Finding:
    """Check that the installed packages are those of the lock file."""
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
    """Check that each process has the settings that it requires."""
    found = []
    for process in PROCESSES:
        env, _ = process.read(values)
        found += [Finding(f"{process.name}: {text}", _remedy(text)) for text in env.problems]
    return found or [Finding("the required settings of every process are set")]


def pages(values: Mapping[str, str]) -> Finding:
    """Report which web pages may call the gateway."""
    gateway = next(process for process in PROCESSES if process.name == "gateway")
    _, settings = gateway.read(values)
    return Finding(
        f"pages that may call the gateway (GATEWAY_CORS_ORIGINS): {settings.cors_origins}"
    )


def free_ports(settings: LocalSettings) -> list[Finding]:
    """Check that the ports are free, while nothing is running."""
    metrics = {
        f"{name.upper()}_METRICS_PORT": port for name, port in settings.metrics_ports.items()
    }
    busy = ports.in_use({**settings.own_ports(), **metrics})
    if not busy:
        return [Finding("the ports are free")]
    return [
        Finding(
            f"port {port} is in use by {ports.holder(port) or 'a program of another user'}",
            f"stop it, or choose another port with {name}",
        )
        for name, port in busy.items()
    ]


def _remedy(problem: str) -> str:
    names = ", ".join(dict.fromkeys(re.findall(r"\b[A-Z][A-Z0-9]*_[A-Z0-9_]+\b", problem)))
    return f"set {names} in the environment or in .env (.env.example explains each)"
