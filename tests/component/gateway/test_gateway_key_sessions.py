"""API keys at the gateway while the orders service, which knows them, does not answer."""

import asyncio
from typing import Any

import pytest

from gateway.upstream import api_keys as key_sessions
from kit.auth import api_keys
from tests.fixtures.gateway import Gateway
from tests.fixtures.patience import PATIENCE


@pytest.mark.parametrize("path", ["/graphql?query=%7BmyOrders%7Bid%7D%7D", "/exports/orders.csv"])
async def test_an_exchange_that_takes_too_long_is_unavailable(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    async def hang(_request: Any) -> None:
        await asyncio.sleep(PATIENCE)

    gateway.api_keys.answers["ExchangeAPIKey"] = hang
    monkeypatch.setattr(key_sessions, "TIMEOUT", 0.3)
    headers = {"Authorization": f"Bearer {api_keys.create(live=False)}"}
    headers["Apollo-Require-Preflight"] = "1"
    client = gateway.client
    async with client.http.get(f"{client.url}{path}", headers=headers) as answer:
        (error,) = (await answer.json(content_type=None))["errors"]
    assert (answer.status, error["extensions"]["code"]) == (503, "UNAVAILABLE")
    assert "did not answer in time" in error["message"]
