"""Log lines that people read in a terminal, with everything secret or personal cut out."""

import logging
import re
import sys
from collections.abc import Iterable

from aiohttp.http_exceptions import HttpProcessingError

# What may stand in any text, also in one that a library wrote: access tokens, activation codes and
# the middle digits of ICCIDs.
TOKEN = re.compile(r"eyJ[\w-]{8,}\.[\w-]+\.?[\w-]*")
ACTIVATION_CODE = re.compile(r"LPA:1\$[^\s\"'<>]+")
ICCID = re.compile(r"(?<!\d)(\d{6})\d{8,12}(\d{4})(?!\d)")


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """Cuts secrets, access tokens and activation codes out, and shortens ICCIDs."""
    for secret in secrets:
        text = text.replace(secret, "[secret]")
    text = TOKEN.sub("[token]", text)
    text = ACTIVATION_CODE.sub("[activation code]", text)
    return ICCID.sub(r"\1…\2", text)


class RedactingFormatter(logging.Formatter):
    """Formats a line, traceback included, and then redacts the whole of it."""

    def __init__(self, secrets: Iterable[str]) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(name)s: %(message)s", "%H:%M:%S")
        # Longest first, as one secret may be part of another; short ones would cut innocent words.
        self._secrets = sorted({s for s in secrets if len(s) >= 8}, key=len, reverse=True)

    def format(self, record: logging.LogRecord) -> str:
        return redact(super().format(record), self._secrets)


def shorten_rubbish(record: logging.LogRecord) -> bool:
    """Makes one line of what aiohttp tells of bytes that are no HTTP: anybody may send them, at will.

    Its own line holds those bytes, a traceback, and the level of an error.
    """
    error = record.exc_info[1] if record.exc_info else None
    if isinstance(error, HttpProcessingError):
        record.levelno, record.levelname = logging.INFO, "INFO"
        record.msg, record.args = "a request was refused as no HTTP: %s", (type(error).__name__,)
        record.exc_info = record.exc_text = None
    return True


def setup(level: str, secrets: Iterable[str] = ()) -> None:
    """Sends all logging to standard error; `secrets` are values that no line may hold."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(RedactingFormatter(secrets))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    # They tell every request with its whole path, and every retry; our own lines say more with less.
    logging.getLogger("aiohttp.access").setLevel(logging.WARNING)
    logging.getLogger("aiohttp.server").addFilter(shorten_rubbish)
    logging.getLogger("stamina").setLevel(logging.ERROR)
    # While the database is away it tells every attempt with its traceback; kit.db says it in a line.
    logging.getLogger("asyncpg.pool").setLevel(logging.ERROR)
