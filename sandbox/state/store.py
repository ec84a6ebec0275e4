"""The state file: every row as JSON in one SQLite table, written before a request is answered."""

import sqlite3
from pathlib import Path

from sandbox.state.codec import decode, encode
from sandbox.state.rows import AnyTable
from sandbox.state.timers import set_timers
from sandbox.state.world import World

# Incremented when rows of older files can no longer be read.
FORMAT = "1"
# Seconds, as a restarted sandbox may start before the previous one has ended.
LOCK_SECONDS = 2.0


class StateError(RuntimeError):
    """An unusable state file; the text says what to do."""


class Store:
    """Stores a world in a file, which stays valid if the process is killed at any moment."""

    def __init__(self, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            file.touch(mode=0o600)  # it contains activation codes
            self._db = sqlite3.connect(file, isolation_level=None, timeout=LOCK_SECONDS)
            # A killed process loses nothing with the write-ahead log; a power cut may lose the end.
            self._db.execute("pragma journal_mode=wal")
            self._db.execute("pragma synchronous=normal")
            # One sandbox per file, as a second one would overwrite the state of the first.
            self._db.execute("pragma locking_mode=exclusive")
            self._db.execute(
                "create table if not exists rows "
                "(place integer primary key, kind text, key text, body text, unique (kind, key))"
            )
            self._db.execute("create table if not exists about (name text primary key, value text)")
        except (sqlite3.Error, OSError) as error:
            raise StateError(
                f"the state file {file} can't be used ({error}); check whether another sandbox"
                " is using it"
            ) from error

    def load(self, world: World) -> None:
        """Load the world from the file; a new file gets the current world."""
        about = dict(self._db.execute("select name, value from about").fetchall())
        identity = {"format": FORMAT, "seed": str(world.settings.seed)}
        for name, value in identity.items():
            if about.setdefault(name, value) != value:
                raise StateError(
                    f"the state file was created with {name} {about[name]}, but this is {value}:"
                    " use that value again, or another file"
                )
        self._db.executemany("insert or ignore into about values (?, ?)", identity.items())
        for table in world.tables():
            self._load_table(table)
        world.restored()
        set_timers(world)
        self.commit(world)

    def _load_table(self, table: AnyTable) -> None:
        rows = self._db.execute(
            "select key, body from rows where kind = ? order by place", (table.kind,)
        )
        for key, body in rows:
            table.add(key, decode(table.row_type, body), stored=True)

    def commit(self, world: World) -> None:
        """Write every changed row, all or none."""
        changed = [(table, key) for table in world.tables() for key in table.changed]
        if not changed:
            return
        self._db.execute("begin")
        for table, key in changed:
            row = table.get(key)
            if row is None:
                self._db.execute("delete from rows where kind = ? and key = ?", (table.kind, key))
                continue
            self._db.execute(
                "insert into rows (kind, key, body) values (?, ?, ?) "
                "on conflict (kind, key) do update set body = excluded.body",
                (table.kind, key, encode(row)),
            )
        self._db.execute("commit")
        for table in world.tables():
            table.changed.clear()

    def clear(self, world: World) -> None:
        """Replace the content by the current world."""
        self._db.execute("delete from rows")
        self._db.execute("delete from about")
        self.load(world)

    def close(self) -> None:
        self._db.close()
