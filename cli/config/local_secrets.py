"""The secrets that one machine makes for itself once: local keys and the passwords of database logins."""

import json
import os
import secrets
from dataclasses import asdict, dataclass, field
from pathlib import Path

from migrations.runner import LOGINS

FILE = "secrets.json"


class SecretsError(Exception):
    """The file of secrets is not one of ours."""


@dataclass(frozen=True, slots=True)
class LocalSecrets:
    """Keys of the auth emulator, and a password for each login where the database wants one."""

    anon_key: str = field(repr=False)
    service_role_key: str = field(repr=False)
    passwords: dict[str, str] = field(repr=False)


def load(home: Path) -> LocalSecrets:
    """Those of the state folder; what is missing there is made and kept.

    Raises SecretsError when the file is not what we wrote, OSError when it can't be read.
    """
    path = home / FILE
    try:
        known = json.loads(path.read_text()) if path.exists() else {}
        kept = known.get("passwords", {})
        found = LocalSecrets(
            anon_key=known.get("anon_key") or f"sb_publishable_{secrets.token_urlsafe(24)}",
            service_role_key=known.get("service_role_key")
            or f"sb_secret_{secrets.token_urlsafe(32)}",
            passwords={login: kept.get(login) or secrets.token_hex(24) for login in LOGINS},
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
    fresh = path.with_suffix(".new")
    # Never readable for others, not even for the moment before a chmod.
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text + "\n")
    fresh.replace(path)
