"""A client that hangs up while its order is claimed."""

import asyncio
import gc
from typing import Any
from uuid import UUID

import pytest

from services.orders.metrics import Metrics
from services.orders.purchase.limits import PurchaseLimits
from tests.component.orders.payments.paid_shop import WALLET, PaidShop, buyer_id
from tests.fixtures.patience import until

WAITING = "select count(*) = {} from pg_locks where locktype = 'advisory' and not granted"


@pytest.mark.parametrize("money", ["0", "1000"])
async def test_a_claim_ends_after_its_client_has_hung_up(
    paid_shop: PaidShop, caplog: pytest.LogCaptureFixture, money: str
) -> None:
    """Otherwise a committed order would wait until its lease ends. A refusal is dropped without an error."""
    buyer, customer_id = await buyer_id(paid_shop)
    await paid_shop.fill_wallet(customer_id, money)
    databases = paid_shop.shop.databases
    async with paid_shop.open() as service, databases.open("orders") as other:
        [name] = PurchaseLimits({}, 1, Metrics()).locks(UUID(customer_id))
        async with other.system(locks=[name]):
            call = service.orders.CreateOrder(paid_shop.request(WALLET), metadata=buyer)
            waiting = asyncio.ensure_future(_answer(call))
            await databases.until(WAITING.format(1))
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
        if money == "1000":
            await databases.until("select status = 'COMPLETED' from orders.esim_orders")
        else:
            await until(lambda: not tasks_of("_commit"))
            assert await databases.admin.fetchval("select count(*) from orders.esim_orders") == 0
    gc.collect()
    assert "never retrieved" not in caplog.text
    assert "hung up" not in caplog.text


def tasks_of(name: str) -> list[str]:
    """Return the unfinished tasks of a coroutine."""
    return [str(task) for task in asyncio.all_tasks() if f".{name}()" in str(task)]


async def _answer(call: Any) -> object:
    return await call
