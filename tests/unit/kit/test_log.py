"""What may stand in a log line, and how long a stranger can make one."""

import asyncio
import logging

import pytest
from aiohttp import web

from kit import log


@pytest.mark.parametrize(
    "secret",
    [
        "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl",
        "LPA:1$rsp.example.com$ABCD-1234",
        "8943108170000000011",
        "an-api-key",
    ],
)
def test_secrets_are_cut_out_of_lines_and_tracebacks(secret: str) -> None:
    formatter = log.RedactingFormatter(["an-api-key"])
    error = ValueError(f"failed with {secret}")
    cause = (ValueError, error, None)
    record = logging.LogRecord("x", logging.ERROR, "x", 1, "told %s", (secret,), cause)
    line = formatter.format(record)
    assert "ValueError" in line
    assert secret not in line


@pytest.mark.parametrize(
    "rubbish", [b"GET /" + b"\xff" * 5_000 + b" HTTP/1.1\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n"]
)
async def test_bytes_that_are_no_http_are_told_in_one_short_line(
    rubbish: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    server = logging.getLogger("aiohttp.server")
    server.addFilter(log.shorten_rubbish)
    runner = web.AppRunner(web.Application())
    try:
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        _, port = runner.addresses[0]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(rubbish)
        answer = await reader.readline()
        writer.close()
    finally:
        await runner.cleanup()
        server.removeFilter(log.shorten_rubbish)
    assert b"400" in answer
    (record,) = [record for record in caplog.records if record.name == "aiohttp.server"]
    assert record.levelno == logging.INFO
    assert record.exc_info is None
    assert len(record.getMessage()) < 100
