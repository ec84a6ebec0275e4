"""Senseless header values are refused or ignored, and never cause an internal error."""

import asyncio
import logging
from dataclasses import replace
from itertools import product

import pytest

from gateway.__main__ import serve
from gateway.http.cors import Origins
from protos.catalogue.v1 import catalogue_pb2
from tests.fixtures.gateway import Gateway
from tests.fixtures.patience import PATIENCE
from tests.fixtures.sandboxes import Serving

ODD = [
    b"http://[",
    b"http://]",
    b"http://[::1",
    b"http://[::1]x:80",
    b"http://x:99999999999",
    b"http://x:y",
    b"//",
    b"[",
    b"[::1",
    b"]:4000",
    b"x:-1",
    b"x y",
    b"\xff\xfe",
    b"\xc3(",
    b"http://\xe2\x84\x80",
    b"%",
    b"http://%zz",
    b"null",
    b"",
    b"@",
    b"a" * 8_000,
    b"http://xn--a",
    b"1e400",
    b"-1",
    b";",
    b",",
    b";q=",
    b"*/*;q=nan",
    b"text/event-stream;q=inf",
    b"application/json;charset=\xff",
    b"application/json;charset=[",
    b'application/json; charset="',
    b"websocket",
    b"Basic x",
    b"Bearer \xff",
    b"Bearer [",
]
NAMES = [
    *("Origin", "Host", "Referer", "Sec-Fetch-Site", "X-Forwarded-For", "X-Request-Id"),
    *("Content-Type", "Content-Encoding", "Accept", "Accept-Encoding", "If-None-Match"),
    *("Authorization", "Cookie", "Idempotency-Key", "traceparent", "tracestate", "GraphQL-Cost"),
    *("Upgrade", "Connection", "Sec-WebSocket-Protocol", "Sec-WebSocket-Key", "Expect", "Range"),
    *("Sec-WebSocket-Version", "Transfer-Encoding"),
    *("Access-Control-Request-Headers", "Access-Control-Request-Method", "Forwarded"),
]
BODY = b'{"query": "{ featuredPlans { id } }"}'
REQUESTS = [b"GET /graphql?query=%7Bregions%7Bname%7D%7D", b"POST /graphql", b"OPTIONS /graphql"]


async def status_of(port: int, request: bytes, name: str, value: bytes) -> int:
    headers = {b"Host": b"shop.example", b"Content-Type": b"application/json"}
    headers |= {b"Connection": b"close", b"Content-Length": b"%d" % len(BODY)}
    if name == "Connection" or name.startswith("Sec-WebSocket"):
        headers |= {b"Upgrade": b"websocket", b"Connection": b"Upgrade"}
    headers[name.encode()] = value
    lines = b"".join(b"%b: %b\r\n" % header for header in headers.items())
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request + b" HTTP/1.1\r\n" + lines + b"\r\n" + BODY)
    line = await reader.readline()
    assert line.startswith(b"HTTP/1."), (request, name, value, line)
    writer.transport.abort()
    return int(line.split()[1])


@pytest.mark.parametrize("origins", ["", "*", "https://shop.example, localhost"])
async def test_an_invalid_header_value_never_causes_a_5xx_status(
    gateway: Gateway, serving: Serving, caplog: pytest.LogCaptureFixture, origins: str
) -> None:
    gateway.catalogue.answers["ListFeaturedPlans"] = catalogue_pb2.ListFeaturedPlansResponse()
    gateway.catalogue.answers["ListRegions"] = catalogue_pb2.ListRegionsResponse()
    settings = replace(
        gateway.settings, cors_origins=Origins.parse(origins), response_cache_seconds=60
    )
    async with serving(serve, settings) as port:
        for name, value, request in product(NAMES, ODD, REQUESTS):
            async with asyncio.timeout(PATIENCE):
                status = await status_of(port, request, name, value)
            assert status < 500, (request, name, value, status)
    assert not [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]
