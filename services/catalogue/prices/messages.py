"""Translates price lists and prices into their protos."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from kit.values import money, timestamps
from kit.values.margin import Terms
from protos.catalogue.v1 import prices_pb2 as pb
from services.catalogue.prices.compute import Step, StepKind, plain
from services.catalogue.prices.rule_store import Version
from services.catalogue.prices.store import PriceRow

HUNDRED = Decimal(100)
# Decimal places of the parts of a price, and of percentages.
PARTS = Decimal("0.000001")
PERCENT = Decimal("0.01")

STEPS = {
    StepKind.RULE: pb.PRICE_STEP_KIND_RULE,
    StepKind.CONVERSION: pb.PRICE_STEP_KIND_CONVERSION,
    StepKind.TAX: pb.PRICE_STEP_KIND_TAX,
    StepKind.ROUNDING: pb.PRICE_STEP_KIND_ROUNDING,
    StepKind.FLOOR: pb.PRICE_STEP_KIND_FLOOR,
}


@dataclass(frozen=True, slots=True)
class Parts:
    """What a price is made up of, in its currency: the margin is the net price less fee and cost."""

    net: Decimal
    fee: Decimal
    cost: Decimal

    @property
    def margin(self) -> Decimal:
        return self.net - self.fee - self.cost

    @property
    def percent(self) -> Decimal:
        """The margin in percent of the net price; 0 for a plan that is free."""
        return (self.margin / self.net * HUNDRED).quantize(PERCENT) if self.net else Decimal(0)


def parts(terms: Terms, price: Decimal, cost: Decimal) -> Parts:
    """Split a price; each part is rounded."""
    net = terms.net(price)
    return Parts(
        net.quantize(PARTS),
        (net - terms.remaining(price)).quantize(PARTS),
        terms.converted(cost).quantize(PARTS),
    )


def version_message(version: Version, *, with_rules: bool = True) -> pb.PriceRuleSet:
    return pb.PriceRuleSet(
        version=version.version,
        lists=version.lists,
        rules=version.rules if with_rules else [],
        note=version.note,
        created_by=str(version.created_by or ""),
        created_at=timestamps.to_proto(version.created_at),
    )


def price_message(
    row: PriceRow, name: str, terms: Terms, valid_to: datetime | None = None
) -> pb.PlanPrice:
    """Return a stored price; `terms` are those of its list."""
    made_of = parts(terms, row.retail, row.cost)
    return pb.PlanPrice(
        plan_id=str(row.plan_id),
        plan_name=name,
        price_list=row.price_list,
        cost=money.to_proto(row.cost, row.cost_currency),
        price=money.to_proto(row.retail, row.currency),
        margin=plain(made_of.margin),
        margin_percent=plain(made_of.percent),
        sellable=row.sellable,
        rule=row.rule,
        rule_version=row.rule_version,
        exchange_rate=plain(row.exchange_rate),
        exchange_rate_at=timestamps.to_proto(row.exchange_rate_at),
        tax_rate=plain(row.tax_rate * HUNDRED),
        includes_tax=row.includes_tax,
        valid_from=timestamps.to_proto(row.valid_from),
        valid_to=timestamps.to_proto(valid_to),
        lifted=row.lifted,
    )


def step_message(step: Step) -> pb.PriceStep:
    return pb.PriceStep(
        kind=STEPS[step.kind],
        before=plain(step.before),
        after=plain(step.after),
        currency=step.currency,
        description=step.description,
    )


def tax_rate_message(row: Any) -> pb.TaxRate:
    return pb.TaxRate(
        country=row["country"],
        percent=plain(row["percent"]),
        updated_at=timestamps.to_proto(row["updated_at"]),
    )
