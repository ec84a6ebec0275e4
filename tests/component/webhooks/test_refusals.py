"""Every refusal of a callback has a code, and stores nothing."""

import asyncio
from dataclasses import replace

import aiohttp

from kit.net.client_address import networks
from tests.component.webhooks.conftest import sign
from tests.component.webhooks.received import BODY, stored
from tests.fixtures.postgres import Databases
from tests.fixtures.sandboxes import Serving
from webhooks.__main__ import serve
from webhooks.settings import Settings

LARGE = b'"' + b"x" * 10_000_000 + b'"'


REFUSED = [
    ("POST", LARGE, sign(LARGE), (413, "TOO_LARGE")),
    ("POST", BODY, {}, (401, "UNSIGNED")),
    ("POST", BODY, sign(BODY, "a-strangers-key"), (401, "BAD_SIGNATURE")),
    ("PUT", BODY, sign(BODY), (405, "METHOD_NOT_ALLOWED")),
]


async def test_a_refusal_has_a_code(
    url: str, http: aiohttp.ClientSession, databases: Databases
) -> None:
    for method, body, headers, expected in REFUSED:
        async with http.request(method, url, data=body, headers=headers) as answer:
            refusal = await answer.json()
        assert (answer.status, refusal["code"], refusal["received"]) == (*expected, False)
        assert refusal["error"]
    assert await stored(databases) == []


async def test_a_refused_address_and_a_slow_body_have_codes(
    settings: Settings, serving: Serving, http: aiohttp.ClientSession, databases: Databases
) -> None:
    elsewhere = replace(settings, allowed_networks=networks("192.0.2.0/24"))
    async with serving(serve, elsewhere) as port:
        url = f"http://127.0.0.1:{port}/webhooks/esim-go"
        async with http.post(url, data=BODY, headers=sign(BODY)) as answer:
            assert (answer.status, (await answer.json())["code"]) == (403, "ADDRESS_NOT_ALLOWED")
    impatient = replace(settings, http=replace(settings.http, body_seconds=0.1))
    async with serving(serve, impatient) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        head = "".join(f"{name}: {value}\r\n" for name, value in sign(BODY).items())
        writer.write(
            f"POST /webhooks/esim-go HTTP/1.1\r\nHost: x\r\n{head}Content-Length: 99\r\n\r\n".encode()
        )
        response = await reader.readuntil(b"}")
        writer.close()
    assert response.startswith(b"HTTP/1.1 408")
    assert b'"code": "TOO_SLOW"' in response
    assert await stored(databases) == []
