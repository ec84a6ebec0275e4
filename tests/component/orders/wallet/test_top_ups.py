"""Top-ups of wallets: credited once when they are paid, whatever tells so."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import grpc
import pytest

from protos.orders.v1 import payments_pb2 as pb
from services.orders.payments import store
from services.orders.payments.metrics import PaymentMetrics
from services.orders.payments.start import Starts
from services.orders.payments.wallets.top_up import TopUps
from services.orders.payments.wallets.top_up_limits import TopUpLimits
from tests.component.orders.payments.paid_shop import (
    DECLINED,
    REQUIRED,
    RISKY,
    WALLET,
    PaidShop,
    buyer_id,
)
from tests.component.orders.refunds.bought import at_provider, usd
from tests.component.orders.shop import Metadata
from tests.fixtures.rpc.refusals import reason_of

ERROR = grpc.aio.AioRpcError
ROW = "select * from orders.payments where id = $1::text::uuid"


def wanted(amount: str = "20", key: str = "key-1", **changes: Any) -> pb.TopUpWalletRequest:
    return pb.TopUpWalletRequest(amount=usd(amount), idempotency_key=key, **changes)


async def row(shop: PaidShop, payment_id: str) -> Any:
    return await shop.shop.databases.admin.fetchrow(ROW, payment_id)


async def due(shop: PaidShop) -> None:
    await shop.shop.databases.admin.execute("update orders.payments set next_run_at = now()")


async def becomes(shop: PaidShop, payment_id: str, state: str) -> None:
    await shop.shop.databases.until(
        "select state = $2 from orders.payments where id = $1::text::uuid", payment_id, state
    )


async def pay(shop: PaidShop, payment_id: str) -> None:
    await shop.pay((await row(shop, payment_id))["intent_id"])


async def test_a_paid_top_up_is_credited_once_and_spent(paid_shop: PaidShop) -> None:
    buyer, customer = await buyer_id(paid_shop)
    async with paid_shop.open() as service:
        top_up = wanted("400")
        started = (await service.payments.TopUpWallet(top_up, metadata=buyer)).payment
        assert started.client_secret
        assert not started.order_id
        await pay(paid_shop, started.id)
        get = pb.GetTopUpRequest(payment_id=started.id)
        for _ in range(3):
            await due(paid_shop)
            await asyncio.gather(
                *(service.payments.GetTopUp(get, metadata=buyer) for _ in range(5))
            )
        await becomes(paid_shop, started.id, "CAPTURED")
        shown = (await service.payments.GetTopUp(get, metadata=buyer)).payment
        assert shown.status == pb.PAYMENT_STATUS_PAID
        assert not shown.client_secret
        assert await paid_shop.wallet(customer) == (Decimal(400), Decimal(0))

        order = (await service.orders.CreateOrder(paid_shop.request(WALLET), metadata=buyer)).order
        await paid_shop.reaches(order.id, "COMPLETED")
        [wallet] = (
            await service.payments.ListWallets(pb.ListWalletsRequest(), metadata=buyer)
        ).wallets
        entries = await every_entry(service, wallet.id, buyer)
    assert [entry.kind for entry in entries] == ["DEBIT", "HOLD", "TOP_UP"]
    assert entries[0].order_id == entries[1].order_id == order.id
    assert entries[-1].available_after == usd("400")
    assert wallet.available == entries[0].available_after


async def every_entry(service: Any, wallet_id: str, caller: Metadata) -> list[pb.WalletEntry]:
    """Return all entries, read in pages of one."""
    found: list[pb.WalletEntry] = []
    request = pb.ListWalletEntriesRequest(wallet_id=wallet_id, page_size=1)
    while True:
        page = await service.payments.ListWalletEntries(request, metadata=caller)
        found += page.entries
        assert page.next_page_token in ("", page.entries[-1].row_token)
        request.page_token = page.next_page_token
        if not page.next_page_token:
            return found


async def test_a_key_belongs_to_one_top_up(paid_shop: PaidShop) -> None:
    buyer, _ = await buyer_id(paid_shop)
    async with paid_shop.open() as service:
        answers = await asyncio.gather(
            *(service.payments.TopUpWallet(wanted(), metadata=buyer) for _ in range(4))
        )
        assert len({answer.payment.id for answer in answers}) == 1
        with pytest.raises(ERROR) as refused:
            await service.payments.TopUpWallet(wanted("21"), metadata=buyer)
        assert reason_of(refused.value) == "IDEMPOTENCY_CONFLICT"
        other = await paid_shop.shop.session("other@example.com")
        theirs = await service.payments.TopUpWallet(wanted(), metadata=other)
        assert theirs.payment.id != answers[0].payment.id
        with pytest.raises(ERROR) as refused:
            get = pb.GetTopUpRequest(payment_id=theirs.payment.id)
            await service.payments.GetTopUp(get, metadata=buyer)
        assert reason_of(refused.value) == "TOP_UP_NOT_FOUND"


async def test_what_can_not_be_topped_up(paid_shop: PaidShop) -> None:
    buyer, _ = await buyer_id(paid_shop)
    limits = TopUpLimits.parse("USD=5-50")
    async with paid_shop.open(top_ups=limits) as service:
        for request, reason in (
            (wanted("4.99"), "TOP_UP_TOO_SMALL"),
            (wanted("50.01"), "TOP_UP_TOO_LARGE"),
            (wanted("-5"), "INVALID_ARGUMENT"),
            (wanted("5.001"), "INVALID_ARGUMENT"),
            (wanted(key=""), "INVALID_ARGUMENT"),
            (wanted(return_url="http://shop.example/"), "INVALID_ARGUMENT"),
            (pb.TopUpWalletRequest(idempotency_key="k"), "INVALID_ARGUMENT"),
        ):
            with pytest.raises(ERROR) as refused:
                await service.payments.TopUpWallet(request, metadata=buyer)
            assert reason_of(refused.value) == reason
        for number in range(5):
            await service.payments.TopUpWallet(wanted(key=f"key-{number}"), metadata=buyer)
        with pytest.raises(ERROR) as refused:
            await service.payments.TopUpWallet(wanted(key="key-5"), metadata=buyer)
        assert reason_of(refused.value) == "TOO_MANY_TOP_UPS"
    async with paid_shop.open(methods=frozenset()) as service:
        with pytest.raises(ERROR) as refused:
            await service.payments.TopUpWallet(wanted(), metadata=buyer)
        assert reason_of(refused.value) == "PAYMENT_METHOD_NOT_OFFERED"


@pytest.mark.parametrize("hosted", [False, True])
async def test_an_unpaid_top_up_ends_and_can_not_be_paid_any_more(
    paid_shop: PaidShop, hosted: bool
) -> None:
    buyer, _ = await buyer_id(paid_shop)
    url = "https://shop.example/wallet" if hosted else ""
    async with paid_shop.open() as service:
        started = (
            await service.payments.TopUpWallet(wanted(return_url=url), metadata=buyer)
        ).payment
        assert bool(started.redirect_url) == hosted
        await paid_shop.shop.databases.admin.execute(
            "update orders.payments set expires_at = now(), next_run_at = now()"
        )
        await becomes(paid_shop, started.id, "RELEASED")
    intent_id = (await row(paid_shop, started.id))["intent_id"]
    if intent_id:
        assert (await paid_shop.intent(intent_id))["status"] == "canceled"
    assert await paid_shop.shop.databases.admin.fetch("select from orders.wallets") == []


async def test_a_top_up_that_was_started_meanwhile_is_not_ended(paid_shop: PaidShop) -> None:
    """The look has read an expired top-up just before another process started it."""
    buyer, customer = await buyer_id(paid_shop)
    async with paid_shop.open() as service, paid_shop.shop.databases.open("orders") as database:
        started = (await service.payments.TopUpWallet(wanted(), metadata=buyer)).payment
        assert started.client_secret
        async with database.system() as connection:
            found = await store.get(connection, UUID(started.id))
        assert found is not None
        stale = replace(found, intent_id=None, expires_at=datetime.now(UTC))
        top_ups = TopUps(database, Starts(database, None), REQUIRED, PaymentMetrics())
        assert await top_ups.look(stale) is not None
        await pay(paid_shop, started.id)
        await due(paid_shop)
        await becomes(paid_shop, started.id, "CAPTURED")
    assert await paid_shop.wallet(customer) == (Decimal(20), Decimal(0))


async def test_an_expired_top_up_is_not_started(paid_shop: PaidShop) -> None:
    buyer, _ = await buyer_id(paid_shop)
    await paid_shop.fault("error", "/payment_intents", method="POST", status=503, count=0)
    async with paid_shop.open() as service:
        started = (await service.payments.TopUpWallet(wanted(), metadata=buyer)).payment
        assert not started.client_secret
        await paid_shop.shop.databases.admin.execute(
            "update orders.payments set expires_at = now(), run = null, next_run_at = null"
        )
        await paid_shop.provider.control("DELETE", "/faults")
        get = pb.GetTopUpRequest(payment_id=started.id)
        shown = (await service.payments.GetTopUp(get, metadata=buyer)).payment
        assert not shown.client_secret
        assert (await row(paid_shop, started.id))["intent_id"] is None
        await due(paid_shop)
        await becomes(paid_shop, started.id, "RELEASED")
    assert not paid_shop.provider.world.intents


@pytest.mark.parametrize("paid", [True, False])
async def test_an_amount_that_differs_is_given_back(paid_shop: PaidShop, paid: bool) -> None:
    buyer, _ = await buyer_id(paid_shop)
    async with paid_shop.open() as service:
        started = (await service.payments.TopUpWallet(wanted(), metadata=buyer)).payment
        # As if the payment provider had another amount: triggers refuse the change.
        await paid_shop.shop.databases.admin.execute(
            "set session_replication_role = replica; update orders.payments set amount = 21;"
            " reset session_replication_role"
        )
        if paid:
            await pay(paid_shop, started.id)
        await due(paid_shop)
        await becomes(paid_shop, started.id, "RELEASED")
    ended = await row(paid_shop, started.id)
    assert "does not match" in ended["detail"]
    assert await no_wallet(paid_shop)
    if paid:
        assert [refund["amount"] for refund in await at_provider(paid_shop)] == [2000]
    else:
        assert (await paid_shop.intent(ended["intent_id"]))["status"] == "canceled"


async def no_wallet(shop: PaidShop) -> bool:
    return not await shop.shop.databases.admin.fetch("select from orders.wallets")


@pytest.mark.parametrize("guarded", [True, False])
async def test_a_risky_top_up_is_given_back_if_the_guard_is_on(
    paid_shop: PaidShop, guarded: bool
) -> None:
    buyer, _ = await buyer_id(paid_shop)
    guards = {"high_risk": Decimal(guarded)}
    async with paid_shop.open(guards=guards) as service:
        started = (await service.payments.TopUpWallet(wanted(), metadata=buyer)).payment
        await paid_shop.pay((await row(paid_shop, started.id))["intent_id"], RISKY)
        await due(paid_shop)
        await becomes(paid_shop, started.id, "RELEASED" if guarded else "CAPTURED")
        get = pb.GetTopUpRequest(payment_id=started.id)
        shown = (await service.payments.GetTopUp(get, metadata=buyer)).payment
        assert "risk" not in str(shown)
    assert await no_wallet(paid_shop) == guarded
    if guarded:
        assert "risk" in (await row(paid_shop, started.id))["detail"]
        assert [refund["amount"] for refund in await at_provider(paid_shop)] == [2000]


async def test_what_was_begun_to_be_given_back_is_never_credited(paid_shop: PaidShop) -> None:
    """As if the process had died after the refund, and the guard were off since."""
    buyer, _ = await buyer_id(paid_shop)
    async with paid_shop.open(guards={}) as service:
        started = (await service.payments.TopUpWallet(wanted(), metadata=buyer)).payment
        await pay(paid_shop, started.id)
        await paid_shop.shop.databases.admin.execute("update orders.payments set detail = 'risk'")
        await due(paid_shop)
        await becomes(paid_shop, started.id, "RELEASED")
    assert await no_wallet(paid_shop)
    assert len(await at_provider(paid_shop)) == 1


@pytest.mark.parametrize("hosted", [False, True])
async def test_after_five_declines_a_top_up_ends(paid_shop: PaidShop, hosted: bool) -> None:
    buyer, _ = await buyer_id(paid_shop)
    url = "https://shop.example/wallet" if hosted else ""
    async with paid_shop.open() as service:
        started = (
            await service.payments.TopUpWallet(wanted(return_url=url), metadata=buyer)
        ).payment
        unpaid = await row(paid_shop, started.id)
        for _ in range(5):
            if hosted:
                await paid_shop.provider.control(
                    "POST", f"/checkout_sessions/{unpaid['session_id']}/pay", {"card": DECLINED}
                )
            else:
                await paid_shop.pay(unpaid["intent_id"], DECLINED)
        await due(paid_shop)
        await becomes(paid_shop, started.id, "RELEASED")
    ended = await row(paid_shop, started.id)
    assert ended["declines"] == 5
    assert "paid in time" not in ended["detail"]
    if not hosted:
        assert (await paid_shop.intent(ended["intent_id"]))["status"] == "canceled"
    assert await no_wallet(paid_shop)
