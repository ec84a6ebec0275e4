"""Log formatting as text or JSON, with secrets and personal data redacted."""

import json
import logging
import re
import sys
from collections.abc import Iterable
from datetime import UTC, datetime

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from opentelemetry import trace

from kit.logs import request_id
from kit.logs.episodes import Episodes
from kit.values import timestamps

# Under the name of aiohttp's logger, because its lines replace those of aiohttp.
episodes = Episodes(logging.getLogger("aiohttp.server"))

# Redacted from every line: access tokens, API keys, activation codes and the middle digits of ICCIDs.
TOKEN = re.compile(r"eyJ[\w-]{8,}\.[\w-]+\.?[\w-]*")
# Also matches a part of a key, such as the hint that is shown to the key's owners.
API_KEY = re.compile(r"\besk_(?:live|test)_\w+")
ACTIVATION_CODE = re.compile(r"LPA:1\$[^\s\"'<>]+")
# Keys of the payment provider's API, secrets of its events, and those with which customers pay.
PAYMENT_SECRET = re.compile(r"\b(?:[rs]k_(?:live|test)|whsec|(?:pi|seti)_[A-Za-z0-9]+_secret)_\w+")
LONG_NUMBER = re.compile(r"(?<!\d)(\d{6})\d{8,12}(\d{4})(?!\d)")


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """Remove secrets, access tokens, API keys, activation codes and secrets of payments; shorten ICCIDs."""
    for secret in secrets:
        text = text.replace(secret, "[secret]")
    text = TOKEN.sub("[token]", text)
    text = API_KEY.sub("[API key]", text)
    text = ACTIVATION_CODE.sub("[activation code]", text)
    text = PAYMENT_SECRET.sub("[payment secret]", text)
    return LONG_NUMBER.sub(r"\1…\2", text)


class RedactingFormatter(logging.Formatter):
    """Formats a record as text, and redacts it including the traceback."""

    def __init__(self, secrets: Iterable[str]) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(name)s: %(message)s", "%H:%M:%S")
        self._secrets = _sorted(secrets)

    def format(self, record: logging.LogRecord) -> str:
        ids = "".join(f" {name}={value}" for name, value in current_ids().items())
        first, *more = redact(super().format(record), self._secrets).split("\n", 1)
        return "\n".join([first + ids, *more])


class JSONFormatter(logging.Formatter):
    """Formats a record as one line of JSON, and redacts each text in it."""

    def __init__(self, secrets: Iterable[str], service: str) -> None:
        super().__init__()
        self._secrets = _sorted(secrets)
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": timestamps.to_text(datetime.fromtimestamp(record.created, UTC)),
            "level": record.levelname,
            "service": self._service,
            "logger": record.name,
            "message": redact(record.getMessage(), self._secrets),
            **current_ids(),
        }
        if record.exc_info:
            line["exception"] = redact(self.formatException(record.exc_info), self._secrets)
        if record.stack_info:
            line["stack"] = redact(record.stack_info, self._secrets)
        return json.dumps(line, ensure_ascii=False)


def current_ids() -> dict[str, str]:
    """Return the ids of the current request and span, if any."""
    ids = {}
    if given := request_id.current():
        ids["request_id"] = redact(given)
    span = trace.get_current_span().get_span_context()
    if span.is_valid:
        ids["trace_id"] = trace.format_trace_id(span.trace_id)
        ids["span_id"] = trace.format_span_id(span.span_id)
    return ids


def _sorted(secrets: Iterable[str]) -> list[str]:
    """Order secrets longest first, as one may contain another; short ones would redact common words."""
    return sorted({s for s in secrets if len(s) >= 8}, key=len, reverse=True)


def shorten_invalid_requests(record: logging.LogRecord) -> bool:
    """Replace what aiohttp logs about invalid requests, which any client may send, with one short line.

    aiohttp's own line has level error, a traceback and the bytes of the client.
    """
    error = record.exc_info[1] if record.exc_info else None
    if isinstance(error, HttpProcessingError | web.RequestPayloadError):
        episodes.record(
            "requests are refused as invalid HTTP",
            "a request was refused as invalid HTTP: %s",
            type(error).__name__,
            level=logging.INFO,
        )
        return False
    return True


def setup(
    level: str, secrets: Iterable[str] = (), *, style: str = "text", service: str = ""
) -> None:
    """Send all logging to standard error. `secrets` are values that no line may contain.

    `style` is text, json, or auto (text on a terminal, JSON elsewhere).
    """
    handler = logging.StreamHandler(sys.stderr)
    as_json = style == "json" or (style == "auto" and not sys.stderr.isatty())
    handler.setFormatter(
        JSONFormatter(secrets, service) if as_json else RedactingFormatter(secrets)
    )
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    # These loggers report every request and every retry.
    logging.getLogger("aiohttp.access").setLevel(logging.WARNING)
    logging.getLogger("aiohttp.server").addFilter(shorten_invalid_requests)
    logging.getLogger("stamina").setLevel(logging.ERROR)
    # Reports every failed attempt with a traceback; kit.db.database logs an outage in one line.
    logging.getLogger("asyncpg.pool").setLevel(logging.ERROR)
