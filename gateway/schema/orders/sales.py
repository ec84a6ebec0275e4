"""Schema types of how an order was sold: the plan as it was, and what it costs the shop."""

from datetime import datetime

import strawberry

from gateway.execution.columns import (
    computed,
    exact_amount,
    float_amount,
    optional_time,
    output,
    strings,
    text,
)
from gateway.execution.views import View, read
from gateway.schema.plans.types import FairUse
from protos.catalogue.v1 import catalogue_pb2
from protos.orders.v1 import orders_pb2


def _fair_use(plan: orders_pb2.SoldPlan) -> FairUse | None:
    if not plan.fair_use_daily_mb:
        return None
    return FairUse.of(
        catalogue_pb2.FairUse(daily_mb=plan.fair_use_daily_mb, throttle_kbps=plan.fair_use_kbps)
    )


@strawberry.type(
    description="A plan as it was sold. Later changes of the catalogue don't change it."
)
class SoldPlan(View):
    title: str = read("title", description="Display name made of place, data and duration.")
    description: str = read("description", description="Human-readable description.")
    countries: list[str] = read(
        strings("countries"), description="Codes of the countries that the plan covers."
    )
    duration: int = read("duration_days", description="Duration in days.")
    data_mb: float | None = read(
        output(lambda plan: float(plan.data_mb) if plan.HasField("data_mb") else None),
        name="dataMB",
        description="Data in MB, base 10; null if unlimited.",
    )
    is_unlimited: bool = read("unlimited", description="True if data is unlimited.")
    fair_use: FairUse | None = read(
        computed(_fair_use),
        description="Fair use policy; null for a limited plan, or if the plan had none.",
    )
    proto: strawberry.Private[orders_pb2.SoldPlan]


@strawberry.type(description="What an order costs the shop, and how its price was computed.")
class OrderCost(View):
    expected: float = read(
        float_amount("expected"),
        description="Expected cost of the whole order, as last confirmed before it was placed.",
    )
    expected_exact: str = read(
        exact_amount("expected"),
        description='The exact expected cost as a decimal string, such as "4.56".',
    )
    currency: str = read(
        "expected.currency_code", description="ISO 4217 code of the currency of the expected cost."
    )
    charged: float | None = read(
        float_amount("charged", optional=True),
        description="What the provider charged; null until it has answered.",
    )
    charged_exact: str | None = read(
        exact_amount("charged", optional=True),
        description="The exact charge as a decimal string; null until the provider has answered.",
    )
    charged_currency: str | None = read(
        text("charged.currency_code"),
        description="ISO 4217 code of the currency of the charge; null until the provider has answered.",
    )
    price_list: str | None = read(
        text("price_list"),
        description="Id of the price list that the order was sold from; null if it was sold at cost.",
    )
    rule_version: int = read(
        "rule_version", description="Version of the pricing rules; 0 if there were none."
    )
    exchange_rate: str | None = read(
        text("exchange_rate"),
        description="Units of the price's currency for one of the cost's, as a decimal string; null if"
        " unknown.",
    )
    exchange_rate_at: datetime | None = read(
        optional_time("exchange_rate_at"),
        description="When the exchange rate was published; null if cost and price have the same currency.",
    )
    proto: strawberry.Private[orders_pb2.OrderCost]
