"""Keys, error envelopes, rate limits and paths that don't exist, over HTTP."""

import asyncio
import json
from typing import Any

import pytest
from yarl import URL

from tests.component.sandbox.conftest import BUNDLE, KEY, Client, Play


@pytest.mark.parametrize("key", ["", "wrong", "schlüssel"])
async def test_a_bad_key_is_403_everywhere_but_401_for_orders(client: Client, key: str) -> None:
    for path in ("/organisation", "/esims", "/nowhere"):
        reply = await client.call("GET", path, key=key)
        assert (reply.status, reply.json) == (403, {"message": "access denied"})
    assert (await client.call("POST", "/orders", {}, key=key)).status == 401


async def test_bad_keys_on_orders_may_be_403_too(play: Play) -> None:
    client = await play(bad_key_on_orders=403)
    assert (await client.call("POST", "/orders", {}, key="wrong")).status == 403


async def test_unknown_paths_and_methods_are_refused_in_the_error_format(client: Client) -> None:
    assert (await client.call("GET", "/nowhere")).json == {"message": "Not Found"}
    reply = await client.call("DELETE", "/orders")
    assert (reply.status, reply.headers["Allow"]) == (405, "GET, POST")


async def test_every_response_has_rate_limit_headers(play: Play) -> None:
    client = await play(tokens_per_second=1000)
    for key, path in (("wrong", "/esims"), ("sandbox-api-key", "/catalogue")):
        headers = (await client.call("GET", path, key=key)).headers
        assert headers["X-Ratelimit-Limit"] == "1000"
        assert headers["X-Ratelimit-Reset"].endswith("Z")
    assert headers["X-Ratelimit-Cost"] == "5"


async def test_exhausted_tokens_return_429_with_retry_after(play: Play) -> None:
    client = await play(tokens_per_second=10, token_costs={"listGroups": 10})
    # A window lasts a second; this ends once two requests meet in one.
    while (reply := await client.call("GET", "/organisation/groups")).status == 200:
        pass
    assert (reply.status, reply.json) == (429, {"message": "Rate limit exceeded"})
    assert reply.headers["Retry-After"] == "1"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"type": "transaction", "order": []}',
        b'{"type": "buy", "order": [{"type": "bundle", "quantity": 1, "item": "x"}]}',
        b'{"type": "validate", "order": [{"type": "bundle", "quantity": 0, "item": "x"}]}',
        b'{"type": "validate", "order": [{"type": "bundle", "quantity": 1.5, "item": "x"}]}',
        b'{"type": "validate", "order": [{"type": "bundle", "quantity": 1e999999999, "item": "x"}]}',
        b'{"type": "validate", "order": [{"type": "bundle", "quantity": NaN, "item": "x"}]}',
        b'{"type": "validate", "order": [{"type": "bundle", "quantity": "1", "item": "x"}]}',
        b'{"type": "validate", "order": [{"type": "bundle", "quantity": 1, "item": 5}]}',
        b"[" * 100_000,
        b"\xff\xfe",
        b'{"type": "validate", "order": [{"type": "bundle", "quantity": 1, "item": "\\ud800"}]}',
    ],
)
async def test_an_invalid_order_is_400_with_a_message(client: Client, body: bytes) -> None:
    reply = await client.call("POST", "/orders", data=body)
    assert reply.status == 400
    assert reply.json["message"]


async def test_errors_of_orders_may_be_plain_text(play: Play) -> None:
    client = await play(order_errors="text")
    reply = await client.call("POST", "/orders", {"type": "validate"})
    assert reply.headers["Content-Type"].startswith("text/plain")
    assert reply.raw == b"body.order is missing"


async def test_an_oversized_body_is_refused_in_the_error_format(client: Client) -> None:
    reply = await client.call("POST", "/orders", data=b" " * 2_000_000)
    assert reply.status == 413
    assert "message" in reply.json


@pytest.mark.parametrize(
    "query",
    ["page=0", "page=x", "page=1&page=2", "perPage=0", "orderBy=colour", "direction=up", "page="],
)
async def test_an_invalid_query_is_400(client: Client, query: str) -> None:
    assert (await client.call("GET", f"/catalogue?{query}")).status == 400


async def test_bytes_that_are_not_text_are_refused(client: Client) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", URL(client.running.url).port)
    request = (
        b"GET /v2.5/esims/%FF%ED%A0%80?perPage=%FF HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
    )
    writer.write(request + b"X-API-Key: \xff\xfe\r\n\r\n")
    assert (await reader.readline()).startswith(b"HTTP/1.1 403 ")
    writer.close()
    url = URL(f"{client.running.url}/esims?filterBy=customerRef&filter=%FF", encoded=True)
    async with client.http.get(url, headers={"X-API-Key": KEY}) as answer:
        assert answer.status == 200


async def test_numbers_are_written_with_exact_digits(client: Client) -> None:
    text = (await client.call("GET", "/catalogue?group=Standard Long Duration&perPage=1000")).raw
    prices = [item.split(b",")[0] for item in text.split(b'"price": ')[1:]]
    assert prices
    assert all(len(price.partition(b".")[2]) <= 3 for price in prices)


async def test_the_catalogue_has_pages_and_both_formats(play: Play) -> None:
    client = await play(catalogue_page_most=500)
    names: list[str] = []
    page = 1
    while True:
        shown = await client.get(f"/catalogue?page={page}&perPage=1000")
        assert shown["pageSize"] == 500
        if not shown["bundles"]:
            break
        names += [bundle["name"] for bundle in shown["bundles"]]
        page += 1
    assert len(names) == len(set(names)) == shown["rows"]
    await client.control("switches", {"catalogue_shape": "array"})
    assert len(await client.get("/catalogue")) == 50


async def test_a_single_bundle_names_its_groups_group(client: Client) -> None:
    bundle = await client.get(f"/catalogue/bundle/{BUNDLE}")
    assert bundle["group"] == ["Standard Fixed"]
    assert "groups" not in bundle
    reply = await client.call("GET", f"/catalogue/bundle/{BUNDLE.lower()}")
    assert reply.status == 400


async def test_prices_are_for_consumption_billing_only(client: Client) -> None:
    assert (await client.call("GET", "/catalogue/prices")).status == 403
    await client.control("switches", {"consumption_billing": True})
    shown = await client.get("/catalogue/prices")
    assert {"id", "price", "currency", "profile", "country"} == set(shown["prices"][0]["prices"][0])
    await client.control("catalogue/price", {"name": BUNDLE, "price": "0.01"})
    assert (await client.get("/catalogue/prices"))["hash"] != shown["hash"]


async def test_networks_are_found_by_code_and_by_name(client: Client) -> None:
    def names(shown: Any) -> list[str]:
        return [country["name"] for country in shown["countryNetworks"]]

    assert names(await client.get("/networks?isos=GB,fr")) == ["France", "United Kingdom"]
    assert names(await client.get("/networks?countries=Japan")) == ["Japan"]
    everything = names(await client.get("/networks"))
    assert len(everything) > 60
    assert names(await client.get("/networks?isos=GB&returnAll=true")) == everything


async def test_the_openapi_document_is_served(client: Client) -> None:
    async with client.http.get(client.running.openapi_url) as answer:
        shown = json.loads(await answer.read())
    assert shown["servers"] == [{"url": client.running.url}]


async def test_the_admin_api_lists_its_paths_and_refuses_unknown_ones(client: Client) -> None:
    assert "POST /_control/esims/{iccid}/{act}" in (await client.control(""))["paths"]
    assert "GET /_control lists" in await client.refused("colour", {}, status=404)
    assert "the switches are" in await client.refused("switches", {"colour": "red"})
    assert "specify the time" in await client.refused("clock/advance", {})
    assert "forward" in await client.refused("clock/advance", {"to": "2020-01-01"})
    assert "unknown members: weeks" in await client.refused("clock/advance", {"weeks": 1})
    assert "9000" in await client.refused("clock/advance", {"days": 10**7})
    assert "JSON object" in await client.refused("balance", [5])
    assert "set or add" in await client.refused("balance", {})
    assert "a number" in await client.refused("balance", {"set": "lots"})
    assert "unknown member colour" in await client.refused("faults", {"colour": "red"})
    assert "on sale" in await client.refused("catalogue/withdraw", {"name": "x"})
    assert "access denied" in await client.refused(
        "esims/8943108170000000001/install", {}, status=403
    )


async def test_a_reset_clears_everything_and_can_change_the_seed(client: Client) -> None:
    first = await client.esim()
    shown = await client.control("reset", {"seed": 2})
    assert (shown["seed"], shown["counts"]["esim"], shown["balance"]) == (2, 0, 10_000)
    second = await client.esim()
    await client.control("reset", {"seed": 1})
    assert await client.esim() == first != second
