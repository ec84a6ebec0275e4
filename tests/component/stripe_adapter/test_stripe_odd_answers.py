"""A server in Stripe's place that answers with anything: known failures, in bounded time and memory."""

import asyncio
import gzip
import json
import zlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from kit.errors import Failure, Kind
from services.orders.payments.stripe.adapter import Stripe
from services.orders.payments.stripe.api import API
from services.orders.payments.stripe.settings import StripeSettings
from services.orders.payments.stripe.transport import MAX_ANSWER
from tests.component.stripe_adapter.conftest import start
from tests.fixtures.patience import PATIENCE

DEEP = b'{"a":' * 50_000 + b"1" + b"}" * 50_000
ERROR = {"error": {"type": "invalid_request_error", "code": "x", "message": "sk_test_key"}}
BODIES = {
    "nothing": b"",
    "null": b"null",
    "number": b"1",
    "text": b'"payment_intent"',
    "array": b"[]",
    "array of objects": b'[{"object": "payment_intent"}]',
    "empty object": b"{}",
    "another object": b'{"object": "charge", "id": "ch_1", "livemode": false}',
    "cut": b'{"object": "payment_intent", "id": "pi_1"',
    "not UTF-8": b'{"object": "\xff\xfe"}',
    "deep": DEEP,
    "html": b"<html>",
    "NaN": b'{"object": "payment_intent", "amount": NaN}',
    "list without rows": b'{"object": "list"}',
    "error of no form": b'{"error": 7}',
}


@dataclass
class Odd:
    """A server that answers every request in the same way."""

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    chunks: int = 1
    seen: list[str] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.seen.append(request.path)
        response = web.StreamResponse(status=self.status, headers=self.headers)
        await response.prepare(request)
        for _ in range(self.chunks):
            await response.write(self.body)
        return response


@asynccontextmanager
async def odd(http: aiohttp.ClientSession, server: Odd) -> AsyncIterator[Stripe]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", server.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    settings = StripeSettings("sk_test_key", f"http://127.0.0.1:{port}", timeout=PATIENCE)
    try:
        yield Stripe(API(http, settings), settings)
    finally:
        await runner.cleanup()


async def kinds(port: Stripe) -> tuple[Kind, Kind, Kind]:
    """Return the kinds of failures of a write, a read and a listing."""
    found = []
    for call in (port.start_intent(start()), port.get_intent("pi_1"), port.list_refunds("pi_1")):
        with pytest.raises(Failure) as raised:
            await call
        assert "sk_test_key" not in f"{raised.value!r}"
        found.append(raised.value.kind)
    return found[0], found[1], found[2]


@pytest.mark.parametrize("status", [200, 400, 502])
@pytest.mark.parametrize("name", BODIES)
async def test_a_body_of_another_form(http: aiohttp.ClientSession, name: str, status: int) -> None:
    async with odd(http, Odd(BODIES[name], status)) as port:
        assert await kinds(port) == (Kind.UNCLEAR, Kind.UNAVAILABLE, Kind.UNAVAILABLE)


@pytest.mark.parametrize("status", [300, 302, 307, 308])
async def test_a_redirect_is_not_followed(http: aiohttp.ClientSession, status: int) -> None:
    server = Odd(b"", status, {"Location": "/elsewhere"})
    async with odd(http, server) as port:
        assert await kinds(port) == (Kind.UNCLEAR, Kind.UNAVAILABLE, Kind.UNAVAILABLE)
    assert "/elsewhere" not in server.seen


async def test_an_endless_body_is_cut_off(http: aiohttp.ClientSession) -> None:
    mega = b" " * 2**20
    async with odd(http, Odd(mega, chunks=2 * MAX_ANSWER // len(mega))) as port:
        assert await kinds(port) == (Kind.UNCLEAR, Kind.UNAVAILABLE, Kind.UNAVAILABLE)


async def test_a_compressed_bomb_is_cut_off(http: aiohttp.ClientSession) -> None:
    machine = zlib.compressobj(9, zlib.DEFLATED, 31)
    bomb = b"".join(machine.compress(b" " * 2**20) for _ in range(64)) + machine.flush()
    assert len(bomb) < 2**20
    async with odd(http, Odd(bomb, headers={"Content-Encoding": "gzip"})) as port:
        assert await kinds(port) == (Kind.UNCLEAR, Kind.UNAVAILABLE, Kind.UNAVAILABLE)


async def test_a_compressed_answer_is_read(http: aiohttp.ClientSession) -> None:
    page = json.dumps({"object": "list", "data": [], "has_more": False}).encode()
    server = Odd(gzip.compress(page), headers={"Content-Encoding": "gzip"})
    async with odd(http, server) as port:
        assert await port.list_refunds("pi_1") == []


async def test_a_listing_that_never_ends_is_given_up(http: aiohttp.ClientSession) -> None:
    refund = {"object": "refund", "id": "re_1", "amount": 1, "currency": "eur", "status": "pending"}
    page = json.dumps({"object": "list", "data": [refund], "has_more": True}).encode()
    async with odd(http, Odd(page)) as port, asyncio.timeout(PATIENCE):
        assert {one.id for one in await port.list_refunds("pi_1")} == {"re_1"}


async def test_a_refusal_shows_nothing_of_its_text(http: aiohttp.ClientSession) -> None:
    async with odd(http, Odd(json.dumps(ERROR).encode(), 400)) as port:
        assert await kinds(port) == (Kind.REFUSED, Kind.REFUSED, Kind.REFUSED)


async def test_an_object_whose_parts_are_nested_too_deeply(http: aiohttp.ClientSession) -> None:
    """The library parses it, and then fails to convert it to its own objects."""
    deep: dict[str, object] = {"object": "payment_intent", "id": "pi_1", "livemode": False}
    for _ in range(400):
        deep = {"object": "payment_intent", "id": "pi_1", "livemode": False, "part": deep}
    async with odd(http, Odd(json.dumps(deep).encode())) as port:
        assert await kinds(port) == (Kind.UNCLEAR, Kind.UNAVAILABLE, Kind.UNAVAILABLE)


def listed(kind: str, **changes: object) -> dict[str, object]:
    """Return an object of a listing, as documented but for the changes."""
    usual: dict[str, dict[str, object]] = {
        "dispute": {
            "amount": 1250,
            "reason": "fraudulent",
            "status": "needs_response",
            "balance_transactions": [],
        },
        "radar.early_fraud_warning": {"actionable": True},
        "balance_transaction": {"amount": 1250, "fee": 30, "type": "charge", "source": None},
    }
    common = {"object": kind, "charge": "ch_1", "created": 1_800_000_000, "currency": "eur"}
    return common | usual[kind] | changes


@pytest.mark.parametrize(
    ("kind", "odd_one"),
    [
        ("dispute", {"currency": "usdc"}),
        ("dispute", {"amount": None}),
        ("radar.early_fraud_warning", {"actionable": "yes"}),
        ("balance_transaction", {"currency": "usdc"}),
        ("balance_transaction", {"created": 253_402_300_799}),
        ("balance_transaction", {"exchange_rate": -1}),
    ],
)
async def test_an_odd_object_hides_no_other_of_its_list(
    http: aiohttp.ClientSession, kind: str, odd_one: dict[str, object]
) -> None:
    rows = [listed(kind, id="x_1"), listed(kind, id="x_2", **odd_one), listed(kind, id="x_3")]
    page = json.dumps({"object": "list", "data": rows, "has_more": False}).encode()
    at = datetime(2027, 1, 15, tzinfo=UTC)
    async with odd(http, Odd(page)) as port:
        lists: dict[str, Callable[[], AsyncIterator[Any]]] = {
            "dispute": lambda: port.list_disputes(at),
            "radar.early_fraud_warning": lambda: port.list_warnings(at),
            "balance_transaction": lambda: port.balance_transactions(at, at),
        }
        assert [one.id async for one in lists[kind]()] == ["x_1", "x_3"]
