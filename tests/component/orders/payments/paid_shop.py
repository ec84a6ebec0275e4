"""A shop whose customers pay: the orders service with the payment sandbox behind it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any
from uuid import UUID

import grpc
import jwt
import pytest

from protos.orders.v1 import orders_pb2, orders_pb2_grpc, payments_pb2, payments_pb2_grpc
from services.orders.payment import PaymentMethod
from services.orders.payments.refunds import refund_order
from services.orders.payments.settings import PaymentMode, PaymentSettings
from services.orders.payments.stripe.settings import StripeSettings
from tests.component.orders.shop import Metadata, Shop, request
from tests.fixtures.patience import PATIENCE
from tests.fixtures.payments import PaymentSandbox

CARD = payments_pb2.PAYMENT_METHOD_CARD
WALLET = payments_pb2.PAYMENT_METHOD_WALLET
MANUAL = payments_pb2.PAYMENT_METHOD_MANUAL
REQUIRED = PaymentSettings(
    PaymentMode.REQUIRED, methods=frozenset(PaymentMethod), guards={"high_risk": Decimal(1)}
)
GOOD, DECLINED, RISKY = "4242424242424242", "4000000000000002", "4000000000009235"


@dataclass
class Open:
    """A running service."""

    orders: "orders_pb2_grpc.OrdersServiceAsyncStub"
    payments: "payments_pb2_grpc.PaymentsServiceAsyncStub"
    channel: grpc.aio.Channel


@dataclass
class PaidShop:
    """A shop with a payment sandbox; settings of payments are given to `open`."""

    shop: Shop
    provider: PaymentSandbox

    @asynccontextmanager
    async def open(self, **changes: Any) -> AsyncIterator[Open]:
        """Run the service; fields of PaymentSettings are changes of these, others of the settings."""
        paying = {k: changes.pop(k) for k in list(changes) if hasattr(REQUIRED, k)}
        settings = {"payments": replace(REQUIRED, **paying), "stripe": self.stripe} | changes
        async with self.shop.channel(**settings) as channel:
            yield Open(
                orders_pb2_grpc.OrdersServiceStub(channel),
                payments_pb2_grpc.PaymentsServiceStub(channel),
                channel,
            )

    @property
    def stripe(self) -> StripeSettings:
        return StripeSettings(self.provider.secret_key, self.provider.url, timeout=PATIENCE)

    def request(self, method: int = CARD, **changes: Any) -> orders_pb2.CreateOrderRequest:
        """Return a purchase; fields of the choice of payment are changes too."""
        names = payments_pb2.PaymentChoice.DESCRIPTOR.fields_by_name
        choice = {k: changes.pop(k) for k in list(changes) if k in names}
        choice["method"] = method
        return request(self.shop, payment=payments_pb2.PaymentChoice(**choice), **changes)

    async def pay(self, intent_id: str, card: str = GOOD) -> dict[str, Any]:
        """Pay as the customer's browser would; no event is sent."""
        body: dict[str, Any] = {"card": card}
        answer: dict[str, Any] = await self.provider.control(
            "POST", f"/payment_intents/{intent_id}/pay", body
        )
        return answer

    async def intent(self, intent_id: str) -> dict[str, Any]:
        """Return an intent as the payment provider has it."""
        found = await self.provider.control("GET", "/snapshot")
        rows = found["payment_intents"]
        listed = rows.values() if isinstance(rows, dict) else rows
        return next(dict(row) for row in listed if row["id"] == intent_id)

    async def dashboard(self, path: str, **fields: Any) -> None:
        """Do something at the payment provider that this system does not know of."""
        async with self.shop.http.post(
            f"{self.provider.url}/v1/{path}",
            data={name: str(value) for name, value in fields.items()},
            headers={"Authorization": f"Bearer {self.provider.secret_key}"},
        ) as answer:
            assert answer.status == 200, await answer.text()

    async def payment(self, order_id: str) -> Any:
        """Return the row of an order's payment."""
        return await self.shop.databases.admin.fetchrow(
            "select * from orders.payments where order_id = $1::text::uuid", order_id
        )

    async def set_payment(self, order_id: str, **values: Any) -> None:
        """Change columns of an order's payment, and make it due; the time does not pass in tests."""
        names = ", ".join(f"{name} = ${n}" for n, name in enumerate(values, 2))
        await self.shop.databases.admin.execute(
            f"update orders.payments set {names}, run = null, next_run_at = now()"  # noqa: S608 - columns
            " where order_id = $1::text::uuid",
            order_id,
            *values.values(),
        )

    async def bought(self, service: Open, buyer: Metadata, **changes: Any) -> tuple[str, str]:
        """Return a new order that awaits its payment by card, and its intent."""
        answer = await service.orders.CreateOrder(self.request(**changes), metadata=buyer)
        row = await self.payment(answer.order.id)
        return answer.order.id, row["intent_id"] or ""

    async def fault(self, kind: str, path: str = "*", **options: Any) -> None:
        """Disturb the payment provider's answer to the next request of that path."""
        await self.provider.control("POST", "/faults", {"kind": kind, "path": path, **options})

    async def no_faults_left(self) -> bool:
        """Return whether every fault has disturbed a request."""
        return not await self.provider.control("GET", "/faults")

    async def failure(self, order_id: str) -> str:
        """Return why an order failed."""
        return str((await self.shop.row(order_id))["failure_reason"])

    async def due(self, order_id: str) -> None:
        """Make a payment due, as its next poll or an event does."""
        await self.shop.databases.admin.execute(
            "update orders.payments set run = null, next_run_at = now() where order_id = $1::text::uuid",
            order_id,
        )

    async def reaches(self, order_id: str, status: str) -> None:
        await self.shop.databases.until(
            "select status = $2 from orders.esim_orders where id = $1::text::uuid", order_id, status
        )

    async def becomes(self, order_id: str, state: str) -> None:
        """Wait until the payment of an order has that state."""
        await self.shop.databases.until(
            "select state = $2 from orders.payments where order_id = $1::text::uuid",
            order_id,
            state,
        )

    async def fill_wallet(self, customer_id: str, amount: str, currency: str = "USD") -> None:
        """Give a customer prepaid money."""
        await self.shop.databases.admin.execute(
            "insert into orders.wallets (owner_id, currency, available) values ($1, $2, $3)",
            UUID(customer_id),
            currency,
            Decimal(amount),
        )

    async def wallet(self, customer_id: str) -> tuple[Any, Any]:
        """Return what is available and held."""
        row = await self.shop.databases.admin.fetchrow(
            "select available, held from orders.wallets where owner_id = $1", UUID(customer_id)
        )
        assert row is not None
        return row["available"], row["held"]


async def buyer_id(shop: PaidShop, email: str = "b@example.com") -> tuple[Metadata, str]:
    """Return a session and the id of its user."""
    session = await shop.shop.session(email)
    token = session[0][1].removeprefix("Bearer ")
    return session, str(jwt.decode(token, options={"verify_signature": False})["sub"])


@pytest.fixture
def paid_shop(
    shop: Shop, payment_provider: PaymentSandbox, monkeypatch: pytest.MonkeyPatch
) -> PaidShop:
    monkeypatch.setattr(refund_order, "WAIT", PATIENCE)  # a slow machine is not a failure
    return PaidShop(shop, payment_provider)


Error = grpc.aio.AioRpcError
