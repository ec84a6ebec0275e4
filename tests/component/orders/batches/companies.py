"""Organizations that pay for batches with their wallet."""

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

from kit.values import money
from protos.orders.v1 import (
    payments_pb2,
    payments_pb2_grpc,
)
from services.orders.organizations.membership import Billing
from services.orders.organizations.messages import BILLINGS
from tests.component.orders.batches.buying_many import Bulk, opened
from tests.component.orders.shop import Shop
from tests.fixtures.organizations import create_organization


@asynccontextmanager
async def company(shop: Shop, billing: str = "PREPAID", **settings: Any) -> AsyncIterator[Bulk]:
    """An organization whose buyer creates batches."""
    async with shop.channel(**({"batch_pause": 0.0} | settings)) as channel:
        acme = await create_organization(
            shop.auth, channel, currency="USD", billing=BILLINGS[Billing(billing)]
        )
        yield await opened(shop, channel, acme)


async def pay_in(many: Bulk, amount: Any) -> None:
    """Put money into the wallet of the organization."""
    assert many.organization is not None
    await payments_pb2_grpc.PaymentsServiceStub(many.channel).CorrectWallet(
        payments_pb2.CorrectWalletRequest(
            organization_id=many.organization.id,
            amount=money.to_proto(Decimal(amount), "USD"),
            note="bank transfer",
            idempotency_key=str(uuid.uuid4()),
            received=True,
        ),
        metadata=many.shop.service_key,
    )
