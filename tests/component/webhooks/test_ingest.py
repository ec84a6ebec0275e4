"""The webhook process over HTTP: what it stores, refuses and answers."""

import asyncio
import json
from dataclasses import replace

import aiohttp
import pytest

from kit.net.client_address import networks
from tests.component.webhooks.conftest import ServeWebhooks, sign
from tests.component.webhooks.received import BODY, stored
from tests.fixtures.patience import PATIENCE
from tests.fixtures.postgres import Databases
from tests.fixtures.sandboxes import Serving
from webhooks.__main__ import serve
from webhooks.settings import Settings


async def test_a_signed_callback_is_stored_raw_before_it_is_acknowledged(
    url: str, http: aiohttp.ClientSession, databases: Databases
) -> None:
    async with http.post(url, data=BODY, headers=sign(BODY)) as answer:
        assert answer.status == 200
    (row,) = await stored(databases)
    assert row["body"] == BODY
    assert row["event_type"] == "FirstAttachment"
    assert row["signed"] is True


async def test_concurrent_equal_bodies_are_one_event(
    url: str, http: aiohttp.ClientSession, databases: Databases
) -> None:
    async def post() -> int:
        async with http.post(url, data=BODY, headers=sign(BODY)) as answer:
            return answer.status

    assert await asyncio.gather(*(post() for _ in range(10))) == [200] * 10
    (row,) = await stored(databases)
    assert row["times_received"] == 10


async def test_an_old_key_is_accepted_during_a_rotation(
    url: str, http: aiohttp.ClientSession
) -> None:
    async with http.post(url, data=BODY, headers=sign(BODY, "the-key-before")) as answer:
        assert answer.status == 200


@pytest.mark.parametrize(
    "headers", [{}, sign(BODY, "a-strangers-key"), {"X-Signature-SHA256": "x"}]
)
async def test_a_forged_or_unsigned_callback_is_refused_and_not_stored(
    url: str, http: aiohttp.ClientSession, databases: Databases, headers: dict[str, str]
) -> None:
    headers = {**headers, "Content-Type": "application/json"}
    async with http.post(url, data=BODY, headers=headers) as answer:
        assert answer.status == 401
        assert (await answer.json())["error"] == "Invalid webhook signature"
    assert await stored(databases) == []


async def test_unsigned_callbacks_are_accepted_only_if_allowed(
    serve_webhooks: ServeWebhooks, http: aiohttp.ClientSession, databases: Databases
) -> None:
    async with serve_webhooks(allow_unsigned=True) as post:
        url = post.url
        headers = {"Content-Type": "application/json"}
        async with http.post(url, data=BODY, headers=headers) as answer:
            assert answer.status == 200
        async with http.post(url, data=BODY, headers=sign(BODY, "a-strangers-key")) as answer:
            assert answer.status == 401
    (row,) = await stored(databases)
    assert row["signed"] is False


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": ""},
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "application/json; charset=utf-16"},
        {"Content-Type": "application/json; charset="},
        {"Content-Type": "no media type at all"},
        {"Content-Encoding": "identity"},
        {"Content-Encoding": "utf-8"},
        {"Content-Encoding": "gzip"},  # although the body is not compressed
        {"Content-Encoding": "br"},
    ],
)
@pytest.mark.parametrize("allow_unsigned", [False, True])
async def test_a_signed_callback_is_stored_with_any_headers(
    serve_webhooks: ServeWebhooks,
    http: aiohttp.ClientSession,
    databases: Databases,
    headers: dict[str, str],
    allow_unsigned: bool,
) -> None:
    async with serve_webhooks(allow_unsigned=allow_unsigned) as post:
        url = f"{post.url}/"  # the trailing slash makes no difference
        async with http.post(url, data=BODY, headers=sign(BODY) | headers) as answer:
            assert answer.status == 200
    (row,) = await stored(databases)
    assert (row["body"], row["event_type"]) == (BODY, "FirstAttachment")


async def test_a_callback_without_content_type_is_stored(
    url: str, http: aiohttp.ClientSession, databases: Databases
) -> None:
    headers = {"X-Signature-SHA256": sign(BODY)["X-Signature-SHA256"]}
    async with http.post(
        url, data=BODY, headers=headers, skip_auto_headers=("Content-Type",)
    ) as answer:
        assert answer.status == 200
    (row,) = await stored(databases)
    assert (row["body"], row["event_type"]) == (BODY, "FirstAttachment")
    assert "content-type" not in str(row["headers"]).lower()


@pytest.mark.parametrize("charset", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be", "latin-1"])
async def test_json_in_any_charset_is_parsed(
    url: str, http: aiohttp.ClientSession, databases: Databases, charset: str
) -> None:
    callback_body = {"alertType": "CountryChange", "iccid": "8943108169900000016"}
    country = {"code": "CW", "name": "Curaçao"}
    body = json.dumps(callback_body | {"country": country}, ensure_ascii=False).encode(charset)
    # The charset that a sender names may be wrong.
    headers = sign(body) | {"Content-Type": "application/json; charset=utf-8"}
    async with http.post(url, data=body, headers=headers) as answer:
        assert answer.status == 200
    (row,) = await stored(databases)
    assert (row["body"], row["event_type"]) == (body, "CountryChange")


NESTED = b"[" * 1_200 + b"]" * 1_200
LONG_AND_NESTED = b'{"iccid": "8943108169900000016", "n": %s, "b": %s}' % (b"9" * 4_301, NESTED)


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"[]", b"\xff\xfe", b"[" * 60_000, b'{"event": 5}', b"null"),
        *(LONG_AND_NESTED, LONG_AND_NESTED.replace(b"{", b'{"x": "\xe9", ')),  # in Latin-1
    ],
    ids=lambda body: str(body[:16]),
)
async def test_an_unparseable_callback_is_stored_as_unknown(
    url: str, http: aiohttp.ClientSession, databases: Databases, body: bytes
) -> None:
    async with http.post(url, data=body, headers=sign(body)) as answer:
        assert answer.status == 200
    (row,) = await stored(databases)
    assert (row["event_type"], row["body"]) == ("unknown", body)


async def test_a_get_request_explains_the_address(
    url: str, http: aiohttp.ClientSession, databases: Databases
) -> None:
    async with http.get(url) as answer:
        assert "Server" not in answer.headers
        assert "eSIM Go" in await answer.text()
    assert await stored(databases) == []


async def test_headers_that_are_not_text_are_stored_escaped(url: str, databases: Databases) -> None:
    port = int(url.split(":")[2].split("/")[0])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = "".join(f"{name}: {value}\r\n" for name, value in sign(BODY).items())
    writer.write(
        f"POST /webhooks/esim-go HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{head}".encode()
        + b"User-Agent: \xff\xfe\r\nContent-Length: %d\r\n\r\n" % len(BODY)
        + BODY
    )
    answer = await reader.read()
    writer.close()
    assert answer.startswith(b"HTTP/1.1 200")
    (row,) = await stored(databases)
    assert "dcff" in str(row["headers"])


async def test_callbacks_are_accepted_only_from_allowed_addresses(
    settings: Settings, serving: Serving, http: aiohttp.ClientSession, databases: Databases
) -> None:
    elsewhere = replace(settings, allowed_networks=networks("192.0.2.0/24"))
    behind_proxy = replace(elsewhere, trusted_proxies=networks("127.0.0.1"))
    for here, expected in ((elsewhere, 403), (behind_proxy, 200)):
        async with serving(serve, here) as port:
            url = f"http://127.0.0.1:{port}/webhooks/esim-go"
            headers = {**sign(BODY), "X-Forwarded-For": "192.0.2.7"}
            async with http.post(url, data=BODY, headers=headers) as answer:
                assert answer.status == expected
    assert len(await stored(databases)) == 1


async def test_without_the_database_the_sender_must_retry(
    url: str, http: aiohttp.ClientSession, databases: Databases
) -> None:
    await databases.admin.execute("alter role webhooks_service connection limit 0")
    try:
        await databases.admin.fetch(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where usename = 'webhooks_service' and datname = current_database()"
        )
        async with http.post(url, data=BODY, headers=sign(BODY)) as answer:
            assert (answer.status, (await answer.json())["code"]) == (503, "NOT_STORED")
    finally:
        await databases.admin.execute("alter role webhooks_service connection limit -1")


async def test_a_stopping_process_is_not_ready_but_still_accepts_callbacks(
    settings: Settings, http: aiohttp.ClientSession, databases: Databases
) -> None:
    stop = asyncio.Event()
    started: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    # Longer than the test takes, which ends the process when it has seen enough.
    draining = replace(settings, drain_seconds=PATIENCE)
    serving = asyncio.create_task(serve(draining, stop, started.set_result))
    url = f"http://127.0.0.1:{await started}"
    stop.set()
    for path in ("/healthz", "/readyz"):
        async with http.get(url + path) as answer:
            assert answer.status == 503
            assert await answer.json() == {"status": "stopping"}
    async with http.post(f"{url}/webhooks/esim-go", data=BODY, headers=sign(BODY)) as answer:
        assert answer.status == 200
        assert answer.headers["Connection"] == "close"
    assert len(await stored(databases)) == 1
    serving.cancel()
    await asyncio.wait({serving})
