"""The price of a row holds against the provider, which charges, and not only against the catalogue."""

from decimal import Decimal
from typing import Any

import pytest

from kit.values import money
from protos.orders.v1 import batches_pb2 as pb
from tests.component.orders.batches.buying_many import Bulk, bulk
from tests.component.orders.prices.confirming import NEW, OLD, reprice
from tests.component.orders.shop import Shop, usd

FAILED, DELIVERED = pb.BATCH_ITEM_STATUS_FAILED, pb.BATCH_ITEM_STATUS_DELIVERED


async def bought(many: Bulk, price: Decimal, **fields: Any) -> tuple[pb.Batch, pb.BatchItem]:
    """Return a batch of one row after its end, and the row; the provider sells the plan at that price."""
    many.shop.catalogue.stored_price = OLD
    await reprice(many.shop, price)
    batch = await many.finished(await many.create([many.item()], **fields))
    [row] = await many.items(batch)
    return batch, row


@pytest.mark.parametrize("fields", [{"max_total": usd("2")}, {}], ids=["limited", "unlimited"])
async def test_a_row_is_not_bought_above_its_price(shop: Shop, fields: dict[str, Any]) -> None:
    # The price was confirmed long enough ago to have changed, and recently enough to be used without a limit.
    async with bulk(shop, price_holds=0.0) as many:
        batch, row = await bought(many, NEW, **fields)
        assert (row.status, row.code) == (FAILED, "PRICE_CHANGED")
        assert money.from_proto(batch.spent_total) == shop.charges == 0


async def test_a_row_is_bought_at_a_lower_price(shop: Shop) -> None:
    async with bulk(shop, price_holds=0.0) as many:
        batch, row = await bought(many, Decimal("0.5"), max_total=usd("2"))
        assert row.status == DELIVERED
        assert money.from_proto(batch.spent_total) == Decimal("0.5")


async def test_a_row_waits_while_its_price_can_not_be_confirmed(shop: Shop) -> None:
    await shop.fault(method="POST", path="/orders", status=503)
    async with bulk(shop, price_holds=0.0) as many:
        _, row = await bought(many, OLD, max_total=usd("2"))
        assert row.status == DELIVERED
        assert shop.charges == 1
