"""Callbacks arrive at a receiver, signed, and the outcome of each is recorded."""

import base64
import hmac
import json
from collections.abc import AsyncIterator
from hashlib import sha256

import pytest
from aiohttp import web

from tests.component.sandbox.conftest import KEY, Client, Play


class Receiver:
    """Records callbacks and answers with the configured status."""

    def __init__(self) -> None:
        self.url = ""
        self.status = 200
        self.got: list[tuple[bytes, str | None]] = []

    async def take(self, request: web.Request) -> web.Response:
        self.got.append((await request.read(), request.headers.get("X-Signature-SHA256")))
        return web.Response(status=self.status)

    def types(self) -> list[str]:
        bodies = [json.loads(raw) for raw, _ in self.got]
        return [body.get("alertType") or body.get("event") for body in bodies]


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    taker = Receiver()
    app = web.Application()
    app.router.add_post("/hook", taker.take)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    taker.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    yield taker
    await runner.cleanup()


@pytest.mark.parametrize("encoding", ["base64", "hex"])
async def test_v3_is_signed_over_the_raw_body(
    play: Play, receiver: Receiver, encoding: str
) -> None:
    client = await play({"callback_url": receiver.url}, callback_signature=encoding)
    await client.control(f"esims/{await client.esim()}/attach", {})
    await client.control("callbacks/drain", {})
    assert receiver.types() == ["FirstAttachment", "CountryChange"]
    for raw, signature in receiver.got:
        digest = hmac.new(KEY.encode(), raw, sha256).digest()
        expected = digest.hex() if encoding == "hex" else base64.b64encode(digest).decode()
        assert signature == expected


async def test_v2_is_not_signed(play: Play, receiver: Receiver) -> None:
    client = await play({"callback_url": receiver.url}, callback_version="V2")
    await client.control(f"esims/{await client.esim()}/attach", {})
    await client.control("callbacks/drain", {})
    assert [signature for _, signature in receiver.got] == [None, None]


async def test_every_delivery_is_recorded(play: Play, receiver: Receiver) -> None:
    client = await play({"callback_url": receiver.url})
    iccid = await client.esim()
    receiver.status = 500
    await client.control(f"esims/{iccid}/attach", {"country": "GB"})
    await client.control("callbacks/drain", {})
    shown = (await client.control("deliveries"))["deliveries"]
    assert [(item["status"], item["http_status"]) for item in shown] == [("failed", 500)] * 2
    receiver.status = 200
    await client.control(f"deliveries/{shown[0]['sequence']}/resend", {})
    await client.control("callbacks/drain", {})
    shown = (await client.control("deliveries"))["deliveries"]
    assert [item["status"] for item in shown] == ["delivered", "failed"]
    assert shown[0]["attempts"] == 2


async def test_failed_deliveries_are_retried_if_configured(play: Play, receiver: Receiver) -> None:
    client = await play({"callback_url": receiver.url}, callback_retries=2)
    receiver.status = 500
    await client.control("callbacks/send", {"alertType": "Strange"})
    await client.control("callbacks/drain", {})
    assert receiver.types() == ["Strange"] * 3


async def test_an_unreachable_receiver_is_recorded_as_an_error(client: Client) -> None:
    await client.control("callbacks", {"url": "http://127.0.0.1:1/hook"})
    await client.control("callbacks/send", {"alertType": "Strange"})
    await client.control("callbacks/drain", {})
    [shown] = (await client.control("deliveries"))["deliveries"]
    assert shown["status"] == "failed"
    assert "ClientConnectorError" in shown["error"]


async def test_without_an_address_callbacks_are_only_recorded(client: Client) -> None:
    await client.control(f"esims/{await client.esim()}/attach", {})
    await client.control("callbacks/drain", {})
    shown = (await client.control("deliveries"))["deliveries"]
    assert [item["status"] for item in shown] == ["no-url", "no-url"]


async def test_held_callbacks_are_delivered_later_and_out_of_order(
    play: Play, receiver: Receiver
) -> None:
    client = await play({"callback_url": receiver.url})
    await client.control("callbacks", {"held": True})
    await client.control(f"esims/{await client.esim()}/attach", {})
    await client.control("callbacks/drain", {})
    assert receiver.got == []
    await client.control("callbacks/release", {"newest_first": True})
    await client.control("callbacks/drain", {})
    assert receiver.types() == ["CountryChange", "FirstAttachment"]


async def test_advancing_time_triggers_callbacks(play: Play, receiver: Receiver) -> None:
    client = await play({"callback_url": receiver.url})
    await client.esim()
    await client.control("clock/advance", {"days": 187})
    await client.control("callbacks/drain", {})
    assert receiver.types() == ["esim.deletion_scheduled", "esim.deleted"]
    raw = receiver.got[0][0]
    assert set(json.loads(raw)) == {"date", "event", "iccid"}


async def test_unsent_callbacks_are_delivered_after_a_restart(
    play: Play, receiver: Receiver, tmp_path_factory: pytest.TempPathFactory
) -> None:
    file = tmp_path_factory.mktemp("sandbox") / "state"
    client = await play({"state": file, "callback_url": receiver.url})
    await client.control("callbacks", {"held": True})
    await client.control("callbacks/send", {"alertType": "Strange"})
    await client.running.stop()
    client = await play({"state": file})
    assert receiver.got == []
    await client.control("callbacks/release", {})
    await client.running.delivered()
    assert receiver.types() == ["Strange"]
