"""Malformed HTTP sent to both stand-ins is refused with one short log line."""

import asyncio
import re
import sys
from asyncio.subprocess import PIPE

import pytest

RUBBISH = [
    b"GET /" + b"\xff" * 5_000 + b" HTTP/1.1\r\n\r\n",
    b"GET / HTTP/9.9\r\n\r\n",
    b"POST %s HTTP/1.1\r\nHost: a\r\napikey: anon\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}",
]


@pytest.mark.parametrize(
    ("command", "path"),
    [
        (("sandbox",), b"/_control/switches"),
        (("sandbox.auth", "--anon-key", "anon", "--service-role-key", "all"), b"/auth/v1/signup"),
    ],
    ids=["provider", "auth"],
)
async def test_malformed_requests_are_refused_and_logged_in_one_line_each(
    command: tuple[str, ...], path: bytes
) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", *command, "--port", "0", stdout=PIPE, stderr=PIPE
    )
    assert process.stdout is not None
    try:
        output = await process.stdout.readline()
        found = re.search(rb"127\.0\.0\.1:(\d+)", output)
        assert found, output
        for rubbish in RUBBISH:
            reader, writer = await asyncio.open_connection("127.0.0.1", int(found[1]))
            writer.write(rubbish.replace(b"%s", path))
            assert b" 400 " in await reader.readline(), rubbish[:40]
            await reader.read()  # closed by the server, and so after its log line
            writer.close()
    finally:
        process.terminate()
        _, log = await process.communicate()
    lines = log.decode().splitlines()
    assert len(lines) == len(RUBBISH)
    assert all("a request was refused as invalid HTTP" in line for line in lines)
