"""An order and its payment."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import uuid4

from services.orders.order import Order, OrderStatus, RecoveryPoint
from services.orders.payment import Payment, PaymentMethod, PaymentState

NOW = datetime(2026, 11, 29, tzinfo=UTC)


def order(**changes: Any) -> Order:
    values: dict[str, Any] = {
        "id": uuid4(),
        "customer_id": uuid4(),
        "plan_id": uuid4(),
        "bundle_name": "esim_1GB",
        "quantity": 1,
        "unit_price": Decimal(10),
        "total_price": Decimal(10),
        "currency": "USD",
        "customer_reference": "",
        "auto_activate": False,
        "status": OrderStatus.COMPLETED,
        "recovery_point": RecoveryPoint.REGISTERED,
        "status_reason": "",
        "provider_reference": "ref",
        "cancel_requested_at": None,
        "created_at": NOW,
        "updated_at": NOW,
    }
    return Order(**(values | changes))


def payment(**changes: Any) -> Payment:
    values: dict[str, Any] = dict.fromkeys(Payment.__dataclass_fields__)
    values |= {
        "id": uuid4(),
        "order_id": uuid4(),
        "customer_id": uuid4(),
        "method": PaymentMethod.CARD,
        "amount": Decimal(10),
        "wallet_amount": Decimal(0),
        "currency": "USD",
        "state": PaymentState.CAPTURED,
        "reference": "",
        "policy": {},
    }
    return Payment(**(values | changes))
