"""Secrets that are generated once for a machine: keys of the auth emulator, passwords of database logins."""

import json
import os
import secrets
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path

from migrations.logins import LOGINS

FILE = "secrets.json"


class SecretsError(Exception):
    """The file of secrets can't be used, is damaged, or was not written by this program."""


@dataclass(frozen=True, slots=True)
class LocalSecrets:
    """Keys of the auth emulator, and a password for each database login."""

    anon_key: str = field(repr=False)
    service_role_key: str = field(repr=False)
    passwords: dict[str, str] = field(repr=False)


def load(home: Path) -> LocalSecrets:
    """Return the secrets of the state folder; generate and store the missing ones.

    Raises SecretsError if the file is damaged, or can't be read or written.
    """
    path = home / FILE
    try:
        return _load(path)
    except OSError as error:
        raise SecretsError(
            f"{path} can't be used ({error.strerror}): set ESIMGO_HOME to a writable folder"
        ) from error


def _load(path: Path) -> LocalSecrets:
    try:
        known = json.loads(path.read_text()) if path.exists() else {}
        passwords = known.get("passwords", {})
        found = LocalSecrets(
            anon_key=known.get("anon_key") or f"sb_publishable_{secrets.token_urlsafe(24)}",
            service_role_key=known.get("service_role_key")
            or f"sb_secret_{secrets.token_urlsafe(32)}",
            passwords={login: passwords.get(login) or secrets.token_hex(24) for login in LOGINS},
        )
    except (ValueError, AttributeError):
        raise SecretsError(
            f"{path} was not written by `esimgo up`, or is damaged: restore it, or remove it"
            " to generate new secrets"
        ) from None
    if known != asdict(found):
        _write(path, json.dumps(asdict(found), indent=2))
    return found


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    # A new file that only its owner can read: a later chmod would leave a moment in which others can read it.
    descriptor, fresh = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    with os.fdopen(descriptor, "w") as file:
        file.write(text + "\n")
    Path(fresh).replace(path)
