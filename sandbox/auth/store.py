"""Users, sessions, refresh tokens and signing keys in SQLite, in memory or in a file."""

import json
import sqlite3
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_SCHEMA = """
create table if not exists users (
  id text primary key,
  email text unique,
  password text,
  email_confirmed_at real,
  last_sign_in_at real,
  app_metadata text not null,
  user_metadata text not null,
  is_anonymous integer not null,
  created_at real not null,
  updated_at real not null
);
create table if not exists sessions (
  id text primary key,
  user_id text not null references users on delete cascade,
  method text not null,
  signed_in_at real not null
);
create table if not exists refresh_tokens (
  number integer primary key,
  token text not null unique,
  session_id text not null references sessions on delete cascade,
  parent text,
  revoked integer not null default 0,
  updated_at real not null
);
create table if not exists signing_keys (
  number integer primary key,
  id text not null unique,
  private_key blob not null
);
"""


@dataclass(slots=True)
class User:
    """An account; times in seconds since 1970, `email` in lower case."""

    id: str
    email: str | None
    password: str | None
    email_confirmed_at: float | None
    last_sign_in_at: float | None
    app_metadata: dict[str, Any]
    user_metadata: dict[str, Any]
    is_anonymous: bool
    created_at: float
    updated_at: float


@dataclass(frozen=True, slots=True)
class SignIn:
    """One signed-in client of a user; `method` is how it signed in."""

    id: str
    user_id: str
    method: str
    signed_in_at: float


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """A refresh token; `parent` is the one for which it was exchanged."""

    token: str
    session_id: str
    parent: str | None
    revoked: bool
    updated_at: float


class EmailTakenError(Exception):
    """Another user has that address."""


class Store:
    """The tables of one emulator, for one thread; `transaction` groups writes."""

    def __init__(self, path: Path | None) -> None:
        """Open or create the file; raise ValueError if it is of another program."""
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch(mode=0o600)  # it contains the signing key
        self._db = sqlite3.connect(path or ":memory:")
        self._db.row_factory = sqlite3.Row
        try:
            # Committed data survives if this process is killed.
            self._db.execute("pragma journal_mode = wal")
            self._db.execute("pragma foreign_keys = on")
            self._db.executescript(_SCHEMA)
        except sqlite3.DatabaseError as error:
            self._db.close()
            raise ValueError(f"{path} is not a state file of this emulator: {error}") from error

    def close(self) -> None:
        self._db.close()

    def transaction(self) -> AbstractContextManager[object]:
        """Commit all writes of a `with` block, or none."""
        return self._db

    def add_user(self, user: User) -> None:
        """Raises EmailTakenError."""
        self._write_user(
            "insert into users (email, password, email_confirmed_at, last_sign_in_at,"
            " app_metadata, user_metadata, is_anonymous, created_at, updated_at, id)"
            " values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            user,
        )

    def save_user(self, user: User) -> None:
        """Raises EmailTakenError."""
        self._write_user(
            "update users set email = ?, password = ?, email_confirmed_at = ?, last_sign_in_at = ?,"
            " app_metadata = ?, user_metadata = ?, is_anonymous = ?, created_at = ?, updated_at = ?"
            " where id = ?",
            user,
        )

    def delete_user(self, user_id: str) -> None:
        self._db.execute("delete from users where id = ?", (user_id,))

    def user(self, user_id: str) -> User | None:
        return self._one_user("id", user_id)

    def user_by_email(self, email: str) -> User | None:
        return self._one_user("email", email.lower())

    def users(self, *, limit: int, offset: int) -> list[User]:
        """Return a page of users, newest first."""
        rows = self._db.execute(
            f"select {_USER_COLUMNS} from users order by rowid desc limit ? offset ?",  # noqa: S608 - our own column list
            (limit, offset),
        )
        return [_to_user(row) for row in rows]

    def count_users(self) -> int:
        count: int = self._db.execute("select count(*) from users").fetchone()[0]
        return count

    def add_sign_in(self, sign_in: SignIn) -> None:
        self._db.execute(
            "insert into sessions (id, user_id, method, signed_in_at) values (?, ?, ?, ?)",
            (sign_in.id, sign_in.user_id, sign_in.method, sign_in.signed_in_at),
        )

    def sign_in(self, session_id: str) -> SignIn | None:
        row = self._db.execute(
            "select id, user_id, method, signed_in_at from sessions where id = ?", (session_id,)
        ).fetchone()
        return SignIn(*row) if row else None

    def end_sign_in(self, session_id: str) -> None:
        self._db.execute("delete from sessions where id = ?", (session_id,))

    def end_sign_ins(self, user_id: str, *, except_for: str | None = None) -> None:
        """Delete all of a user's sessions, or all but one, with their refresh tokens."""
        self._db.execute(
            "delete from sessions where user_id = ? and id is not ?", (user_id, except_for)
        )

    def add_refresh_token(self, token: RefreshToken) -> None:
        self._db.execute(
            "insert into refresh_tokens (token, session_id, parent, revoked, updated_at)"
            " values (?, ?, ?, ?, ?)",
            (token.token, token.session_id, token.parent, token.revoked, token.updated_at),
        )

    def refresh_token(self, token: str) -> RefreshToken | None:
        return self._one_refresh_token("token = ?", token)

    def active_refresh_token(self, session_id: str) -> RefreshToken | None:
        """Return the newest refresh token of a session that isn't revoked."""
        return self._one_refresh_token("session_id = ? and not revoked", session_id)

    def revoke_refresh_token(self, token: str, at: float) -> None:
        self._db.execute(
            "update refresh_tokens set revoked = 1, updated_at = ? where token = ?", (at, token)
        )

    def revoke_refresh_tokens(self, session_id: str, at: float) -> None:
        """Revoke all refresh tokens of one sign-in."""
        self._db.execute(
            "update refresh_tokens set revoked = 1, updated_at = ? where session_id = ?",
            (at, session_id),
        )

    def add_signing_key(self, key_id: str, private_key: bytes) -> None:
        self._db.execute(
            "insert into signing_keys (id, private_key) values (?, ?)", (key_id, private_key)
        )

    def signing_keys(self) -> list[tuple[str, bytes]]:
        """Return id and PKCS 8 PEM of every key, newest first."""
        rows = self._db.execute("select id, private_key from signing_keys order by number desc")
        return [(row["id"], row["private_key"]) for row in rows]

    def drop_signing_key(self, key_id: str) -> None:
        self._db.execute("delete from signing_keys where id = ?", (key_id,))

    def _write_user(self, statement: str, user: User) -> None:
        try:
            self._db.execute(
                statement,
                (
                    user.email,
                    user.password,
                    user.email_confirmed_at,
                    user.last_sign_in_at,
                    json.dumps(user.app_metadata),
                    json.dumps(user.user_metadata),
                    user.is_anonymous,
                    user.created_at,
                    user.updated_at,
                    user.id,
                ),
            )
        except sqlite3.IntegrityError as error:
            raise EmailTakenError from error

    def _one_user(self, column: str, value: str) -> User | None:
        row = self._db.execute(
            f"select {_USER_COLUMNS} from users where {column} = ?",  # noqa: S608 - our own names
            (value,),
        ).fetchone()
        return _to_user(row) if row else None

    def _one_refresh_token(self, condition: str, value: str) -> RefreshToken | None:
        row = self._db.execute(
            "select token, session_id, parent, revoked, updated_at from refresh_tokens"  # noqa: S608 - our own condition
            f" where {condition} order by number desc limit 1",
            (value,),
        ).fetchone()
        if row is None:
            return None
        token, session_id, parent, revoked, updated_at = row
        return RefreshToken(token, session_id, parent, bool(revoked), updated_at)


_USER_COLUMNS = (
    "id, email, password, email_confirmed_at, last_sign_in_at, app_metadata, user_metadata,"
    " is_anonymous, created_at, updated_at"
)


def _to_user(row: Mapping[str, Any] | sqlite3.Row) -> User:
    values = {name: row[name] for name in row.keys()}  # noqa: SIM118 - a Row iterates over its values
    values["app_metadata"] = json.loads(values["app_metadata"])
    values["user_metadata"] = json.loads(values["user_metadata"])
    values["is_anonymous"] = bool(values["is_anonymous"])
    return User(**values)
