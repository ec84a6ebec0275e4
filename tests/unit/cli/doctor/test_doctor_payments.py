"""What `esimgo doctor` reports of payments."""

from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from cli.config.settings import LocalSettings
from cli.doctor.payments import chosen, findings, stripe
from kit.values.env import Env

KEY = "sk_test_mine"
HOOK = {"STRIPE_WEBHOOK_SECRET": "whsec_mine"}


def settings(values: dict[str, str]) -> LocalSettings:
    return LocalSettings.read(Env(values), values)


@pytest.mark.parametrize(
    ("values", "text", "wrong"),
    [
        ({}, "without paying", False),
        ({"PAYMENTS": "off", "ESIM_GO_API_KEY": "k"}, "without paying", False),
        ({"PAYMENTS": "required"}, "customers pay", False),
        ({"ESIM_GO_API_KEY": "k"}, "customers can't buy", True),
    ],
)
def test_the_choice_is_reported(values: dict[str, str], text: str, wrong: bool) -> None:
    finding = chosen(settings(values), values)
    assert text in finding.text
    assert (finding.remedy is not None) is wrong


async def stripe_of(status: int, **values: str) -> list[Any]:
    """Check a server that answers with the status."""

    async def answer(request: web.Request) -> web.Response:
        assert request.headers["Authorization"] == f"Bearer {KEY}"
        return web.json_response({}, status=status)

    app = web.Application()
    app.router.add_get("/v1/balance_transactions", answer)
    async with TestServer(app) as server, aiohttp.ClientSession() as http:
        url = str(server.make_url("")).rstrip("/")
        return await stripe(http, {"STRIPE_SECRET_KEY": KEY, "STRIPE_BASE_URL": url, **values})


async def test_a_valid_key_and_secret_are_fine() -> None:
    key, clock = await stripe_of(200, **HOOK)
    assert key.text.endswith("accepts our key, a test key")
    assert (key.remedy, clock.remedy) == (None, None)


@pytest.mark.parametrize(
    ("status", "text"),
    [(401, "refuses the key"), (403, "may not read balance"), (500, "answers HTTP 500")],
)
async def test_a_key_that_stripe_refuses_is_reported(status: int, text: str) -> None:
    finding, *_ = await stripe_of(status, **HOOK)
    assert text in finding.text
    assert finding.remedy is not None
    assert KEY not in str(finding)


async def test_a_missing_webhook_secret_is_reported() -> None:
    *_, finding = await stripe_of(200)
    assert "STRIPE_WEBHOOK_SECRET is not set" in finding.text
    assert finding.remedy is not None


async def test_a_server_that_does_not_answer_is_reported() -> None:
    async with aiohttp.ClientSession() as http:
        values = {"STRIPE_SECRET_KEY": KEY, "STRIPE_BASE_URL": "http://127.0.0.1:9"}
        (finding,) = await stripe(http, values)
        assert "does not answer" in finding.text
        assert await stripe(http, {}) == []


def test_what_waits_for_a_person_is_reported() -> None:
    assert [one.remedy for one in findings(0, 0, 0)] == [None]
    held, unclear, disputed = findings(2, 1, 3)
    assert held.text == "orders that are paid, and wait for a review before they are bought: 2"
    assert unclear.text == "paid orders in review, because their outcome is unclear: 1"
    assert disputed.text == "open disputes: 3"
    assert all(one.remedy for one in (held, unclear, disputed))
