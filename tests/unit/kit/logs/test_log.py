"""The content of a log line, and how long a client can make one."""

import asyncio
import json
import logging
import re
import subprocess
import sys
from contextvars import copy_context
from typing import Any

import pytest
from aiohttp import web
from opentelemetry import trace

from kit.logs import log, request_id

TRACE = trace.SpanContext(0x1234567890ABCDEF1234567890ABCDEF, 0x1234567890ABCDEF, is_remote=False)


def formatted(formatter: logging.Formatter, *arguments: Any, request: str = "") -> str:
    """Return the formatted line within a span and, if given, a request."""

    def inside() -> str:
        request_id.adopt(request)
        with trace.use_span(trace.NonRecordingSpan(TRACE)):
            record = logging.LogRecord("x", logging.INFO, "x", 1, "told %s", arguments, None)
            return formatter.format(record)

    return copy_context().run(inside)


def test_a_json_line_contains_its_request_and_trace_ids() -> None:
    line = json.loads(formatted(log.JSONFormatter([], "gateway"), 'a "b"\n', request="r-1"))
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", line.pop("time"))
    assert line == {
        "level": "INFO",
        "service": "gateway",
        "logger": "x",
        "message": 'told a "b"\n',
        "request_id": "r-1",
        "trace_id": "1234567890abcdef1234567890abcdef",
        "span_id": "1234567890abcdef",
    }


def test_a_text_line_contains_its_request_and_trace_ids() -> None:
    line = formatted(log.RedactingFormatter([]), "it", request="r-1")
    ids = "request_id=r-1 trace_id=1234567890abcdef1234567890abcdef span_id=1234567890abcdef"
    assert line.endswith(f"told it {ids}")


@pytest.mark.parametrize("given", ["two\nlines", "x" * 65, "sp ace", ""])
def test_an_id_that_could_break_a_line_is_not_logged(given: str) -> None:
    assert "request_id" not in json.loads(
        formatted(log.JSONFormatter([], "gateway"), "it", request=given)
    )


def test_an_error_in_json_has_its_traceback_in_one_line_without_secrets() -> None:
    error = ValueError("failed with an-api-key")
    record = logging.LogRecord(
        "x", logging.ERROR, "x", 1, "no", (), (ValueError, error, error.__traceback__)
    )
    line = log.JSONFormatter(["an-api-key"], "orders").format(record)
    assert "\n" not in line
    assert json.loads(line)["exception"] == "ValueError: failed with [secret]"


@pytest.mark.parametrize(("style", "is_json"), [("auto", True), ("json", True), ("text", False)])
def test_output_without_a_terminal_is_json_by_default(style: str, is_json: bool) -> None:
    program = f"""
import logging
import re
from kit.logs import log
log.setup("info", style="{style}", service="orders")
logging.getLogger("x").info("told")
"""
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert result.stderr.startswith("{") is is_json


@pytest.mark.parametrize(
    "secret",
    [
        "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl",
        "LPA:1$rsp.example.com$ABCD-1234",
        "8943108170000000011",
        "an-api-key",
        "sk_live_51HxYz",
        "rk_test_51HxYz",
        "whsec_abcDEF123",
        "esk_live_4kQ0Yb7ZtqW1nRr8mJ3sLh2Xc9dVf6gUoEaPiTz0O2bKd",
        "pi_3MtwBwLkdIwHu7ix28a3tqPa_secret_YrKJUKribcBjcG8HVhfZluoGH",
    ],
)
@pytest.mark.parametrize(
    "formatter",
    [log.RedactingFormatter(["an-api-key"]), log.JSONFormatter(["an-api-key"], "orders")],
    ids=["text", "json"],
)
def test_secrets_are_redacted_in_lines_and_tracebacks(
    secret: str, formatter: logging.Formatter
) -> None:
    error = ValueError(f"failed with {secret}")
    cause = (ValueError, error, None)
    record = logging.LogRecord("x", logging.ERROR, "x", 1, "told %s", (secret,), cause)
    line = formatter.format(record)
    assert "ValueError" in line
    assert secret not in line


@pytest.mark.parametrize(
    ("rubbish", "status"),
    [
        (b"GET /" + b"\xff" * 5_000 + b" HTTP/1.1\r\n\r\n", b"400"),
        (b"GET / HTTP/9.9\r\n\r\n", b"400"),
        # Only the server reads this body, to discard it.
        (
            b"GET / HTTP/1.1\r\nHost: a\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}",
            b"404",
        ),
    ],
)
async def test_bytes_that_are_not_http_are_logged_in_one_short_line(
    rubbish: bytes, status: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    server = logging.getLogger("aiohttp.server")
    server.addFilter(log.shorten_invalid_requests)
    caplog.set_level(logging.INFO)
    runner = web.AppRunner(web.Application())
    try:
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        _, port = runner.addresses[0]
        for _ in range(3):  # one line in all
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(rubbish)
            answer = await reader.readline()
            writer.close()
    finally:
        await runner.cleanup()
        server.removeFilter(log.shorten_invalid_requests)
    assert status in answer
    (record,) = [record for record in caplog.records if record.name == "aiohttp.server"]
    assert record.levelno == logging.INFO
    assert record.exc_info is None
    assert len(record.getMessage()) < 100
