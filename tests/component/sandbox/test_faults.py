"""Requested faults strike before or after an order takes effect."""

import asyncio

import aiohttp
import pytest

from tests.component.sandbox.conftest import Client

ORDER = {
    "type": "transaction",
    "assign": True,
    "order": [{"type": "bundle", "quantity": 1, "item": "esim_1GB_7D_GB_V2"}],
}


async def test_an_error_before_the_effect_buys_nothing(client: Client) -> None:
    await client.control("faults", {"method": "POST", "path": "/orders", "status": 503})
    reply = await client.call("POST", "/orders", ORDER)
    assert (reply.status, reply.json) == (503, {"message": "fault on request"})
    assert await client.get("/orders") == []
    assert (await client.call("POST", "/orders", ORDER)).status == 200


async def test_an_error_after_the_effect_has_bought(client: Client) -> None:
    fault = {"path": "/orders", "status": 500, "effect": "done", "body": {"message": "oops"}}
    await client.control("faults", fault)
    reply = await client.call("POST", "/orders", ORDER)
    assert (reply.status, reply.json) == (500, {"message": "oops"})
    assert len(await client.get("/orders")) == 1


@pytest.mark.parametrize(("effect", "bought"), [("none", 0), ("done", 1)])
async def test_a_fault_can_drop_the_connection(client: Client, effect: str, bought: int) -> None:
    await client.control("faults", {"path": "/orders", "drop": True, "effect": effect})
    with pytest.raises(aiohttp.ClientError):
        await client.call("POST", "/orders", ORDER)
    assert len(await client.get("/orders")) == bought


@pytest.mark.parametrize(("effect", "bought"), [("none", 0), ("done", 1)])
async def test_a_fault_can_delay_before_or_after_the_effect(
    client: Client, effect: str, bought: int
) -> None:
    # Far longer than the test, which checks while the request is held and then disconnects.
    await client.control("faults", {"path": "/orders", "delay_seconds": 60, "effect": effect})
    waiting = asyncio.create_task(client.call("POST", "/orders", ORDER))
    while (await client.control("faults"))["faults"]:
        await asyncio.sleep(0)
    while len((await client.control("orders"))["orders"]) < bought:
        await asyncio.sleep(0)
    assert not waiting.done()
    assert len((await client.control("orders"))["orders"]) == bought
    waiting.cancel()


async def test_a_delayed_order_takes_effect_after_its_caller_disconnects(client: Client) -> None:
    await client.control("faults", {"path": "/orders", "delay_seconds": 0.2})
    # A body in a separate packet, and a connection that is closed while the request is held.
    async with aiohttp.ClientSession() as session:
        waiting = asyncio.create_task(
            session.post(
                f"{client.running.url}/orders", json=ORDER, headers={"X-API-Key": "sandbox-api-key"}
            )
        )
        while (await client.control("faults"))["faults"]:
            await asyncio.sleep(0)
        waiting.cancel()
    while not (await client.control("orders"))["orders"]:
        await asyncio.sleep(0.01)


async def test_a_short_delay_does_not_fail_the_request(client: Client) -> None:
    await client.control("faults", {"delay_seconds": 0.01})
    assert (await client.call("POST", "/orders", ORDER)).status == 200


async def test_a_text_body_of_a_fault_is_sent_unchanged(client: Client) -> None:
    await client.control("faults", {"status": 200, "body": '{"esims": ['})
    async with client.http.get(
        f"{client.running.url}/esims", headers={"X-API-Key": "sandbox-api-key"}
    ) as answer:
        assert await answer.read() == b'{"esims": ['
        assert answer.content_type == "application/json"


async def test_headers_of_a_fault_override_the_defaults(client: Client) -> None:
    fault = {"status": 429, "headers": {"Retry-After": "7", "X-Ratelimit-Remaining": "0"}}
    await client.control("faults", fault)
    reply = await client.call("GET", "/esims")
    assert (reply.status, reply.headers["Retry-After"]) == (429, "7")
    assert reply.headers.getall("X-Ratelimit-Remaining") == ["0"]


async def test_faults_are_listed_logged_and_removed(client: Client) -> None:
    fault = await client.control("faults", {"path": "/esims*", "status": 500, "count": 0})
    await client.call("GET", "/esims")
    [listed] = (await client.control("faults"))["faults"]
    assert (listed["id"], listed["struck"]) == (fault["id"], 1)
    [request] = (await client.control("requests"))["requests"]
    assert (request["operation"], request["status"]) == ("listESIMs", 500)
    assert request["fault"] == fault["id"]
    await client.control(f"faults/{fault['id']}", method="DELETE")
    assert (await client.call("GET", "/esims")).status == 200
