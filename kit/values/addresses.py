"""Validation of URLs in settings, with messages that never contain a password."""

from pathlib import Path
from urllib.parse import parse_qs, urlsplit

POSTGRESQL = ("postgresql", "postgres")
SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
# The parameters of a PostgreSQL URL that name files.
FILES = ("sslrootcert", "sslcert", "sslkey", "sslcrl", "passfile")
# libpq's keyword for the system's CA certificates.
SYSTEM = "system"


def problem(url: str, schemes: tuple[str, ...]) -> str | None:
    """Return what is wrong with a URL, to follow the setting's name; None if it is valid."""
    try:
        parts = urlsplit(url)
    except ValueError:  # unbalanced brackets
        return "must be a URL; its host can't be parsed"
    if parts.scheme not in schemes:
        return f"must be a URL that starts with {schemes[0]}://"
    is_postgresql = parts.scheme in POSTGRESQL
    if is_postgresql and "@" in url and "@" not in parts.netloc:
        return "must be a PostgreSQL URL; write / ? # @ in a password as %2F %3F %23 %40"
    for host in parts.netloc.rpartition("@")[2].split(","):
        if not _is_port(host.rpartition("]")[2].rpartition(":")[2] if ":" in host else ""):
            return "must have a port from 1 to 65535, or no port"
    if is_postgresql:
        return _options(parse_qs(parts.query))
    return None if parts.hostname else "must contain a host"


def _is_port(text: str) -> bool:
    return not text or (text.isascii() and text.isdigit() and 0 < int(text) <= 65535)


def _options(given: dict[str, list[str]]) -> str | None:
    mode = given.get("sslmode", ["prefer"])[-1]
    if mode not in SSL_MODES:
        return f"must have an sslmode of {', '.join(SSL_MODES)}"
    for name in FILES:
        file = given.get(name, [SYSTEM])[-1]
        if file != SYSTEM and not Path(file).is_file():
            return f"names {file} as {name}, but there is no such file"
    return None
