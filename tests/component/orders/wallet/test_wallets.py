"""Who sees which wallet, and corrections by the finance staff."""

import asyncio
from decimal import Decimal
from typing import Any
from uuid import uuid4

import grpc
import pytest

from protos.orders.v1 import payments_pb2 as pb
from tests.component.orders.payments.paid_shop import PaidShop, buyer_id
from tests.component.orders.refunds.bought import balances, usd
from tests.fixtures.rpc.refusals import reason_of

ERROR = grpc.aio.AioRpcError


def wanted(customer: str, amount: str, key: str = "", **changes: Any) -> pb.CorrectWalletRequest:
    fields = {"note": "goodwill", "idempotency_key": key or str(uuid4())} | changes
    return pb.CorrectWalletRequest(customer_id=customer, amount=usd(amount), **fields)


async def test_a_correction_is_made_once_and_posted(paid_shop: PaidShop) -> None:
    buyer, customer = await buyer_id(paid_shop)
    finance = await paid_shop.shop.session("finance@example.com", role="finance")
    async with paid_shop.open() as service:
        correct = service.payments.CorrectWallet
        answers = await asyncio.gather(
            *(correct(wanted(customer, "5", "k"), metadata=finance) for _ in range(4))
        )
        assert {str(answer.wallet.available) for answer in answers} == {str(usd("5"))}
        for request, reason in (
            (wanted(customer, "6", "k"), "IDEMPOTENCY_CONFLICT"),
            (wanted(customer, "-5.01"), "WALLET_TOO_LOW"),
            (wanted(customer, "0"), "INVALID_ARGUMENT"),
            (wanted(customer, "0.001"), "INVALID_ARGUMENT"),
            (wanted(customer, "1", note=""), "INVALID_ARGUMENT"),
            (wanted("00000000-0000-0000-0000-000000000000", "1"), "INVALID_ARGUMENT"),
        ):
            with pytest.raises(ERROR) as refused:
                await correct(request, metadata=finance)
            assert reason_of(refused.value) == reason
        await correct(wanted(customer, "-2"), metadata=finance)
        with pytest.raises(ERROR) as refused:
            await correct(wanted(customer, "5"), metadata=buyer)
        assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED
    assert await paid_shop.wallet(customer) == (Decimal(3), Decimal(0))
    booked = await balances(paid_shop)
    assert booked["losses"] == 3
    assert sum(booked.values()) == 0


async def test_customers_see_their_own_wallets_and_the_finance_staff_all(
    paid_shop: PaidShop,
) -> None:
    buyer, customer = await buyer_id(paid_shop)
    other = await paid_shop.shop.session("other@example.com")
    support = await paid_shop.shop.session("support@example.com", role="support")
    finance = await paid_shop.shop.session("finance@example.com", role="finance")
    key = paid_shop.shop.service_key
    async with paid_shop.open() as service:
        made = await service.payments.CorrectWallet(wanted(customer, "5"), metadata=key)
        of_customer = pb.ListWalletsRequest(customer_id=customer)
        entries = pb.ListWalletEntriesRequest(wallet_id=made.wallet.id)
        for caller in (buyer, finance, key):
            found = await service.payments.ListWallets(of_customer, metadata=caller)
            assert [wallet.id for wallet in found.wallets] == [made.wallet.id]
            listed = await service.payments.ListWalletEntries(entries, metadata=caller)
            assert [entry.kind for entry in listed.entries] == ["CORRECTION"]
        for caller in (other, support):
            with pytest.raises(ERROR) as refused:
                await service.payments.ListWallets(of_customer, metadata=caller)
            assert reason_of(refused.value) == "FINANCE_ONLY"
            with pytest.raises(ERROR) as refused:
                await service.payments.ListWalletEntries(entries, metadata=caller)
            assert reason_of(refused.value) == "WALLET_NOT_FOUND"
            own = await service.payments.ListWallets(pb.ListWalletsRequest(), metadata=caller)
            assert not own.wallets
        with pytest.raises(ERROR) as refused:
            await service.payments.ListWallets(pb.ListWalletsRequest(), metadata=key)
        assert reason_of(refused.value) == "INVALID_ARGUMENT"
