"""Translates the catalogue's plans into those that are sold."""

from decimal import Decimal

from kit.errors import Failure, Kind
from kit.values import money, timestamps
from kit.values.margin import Terms
from protos.catalogue.v1 import catalogue_pb2, prices_pb2
from services.orders.plan import Listing, Plan, SoldPlan


def check_available(plan: catalogue_pb2.DataPlan, quantity: int) -> None:
    """Raise Failure REFUSED (PLAN_UNAVAILABLE) unless that quantity can be ordered now."""
    if plan.withdrawn:
        raise Failure(
            Kind.REFUSED,
            "PLAN_UNAVAILABLE",
            "The provider no longer offers this plan; choose another",
            details={"available_quantity": "0"},
        )
    if plan.hidden or plan.available_quantity < quantity:
        raise Failure(
            Kind.REFUSED,
            "PLAN_UNAVAILABLE",
            "This plan is not available in that quantity at the moment; choose another",
            details={"available_quantity": str(plan.available_quantity)},
        )


def plan_from_proto(answer: prices_pb2.QuotePlanResponse) -> Plan:
    plan, terms = answer.plan, answer.terms
    confirmed_at = (
        timestamps.from_proto(answer.confirmed_at) if answer.HasField("confirmed_at") else None
    )
    return Plan(
        plan.name,
        money.from_proto(plan.price),
        plan.price.currency_code,
        money.from_proto(terms.cost),
        terms.cost.currency_code,
        confirmed_at,
        plan.bundle_group,
        SoldPlan(
            title=plan.title,
            description=plan.description,
            countries=tuple(country.iso for country in plan.countries),
            duration_days=plan.duration_days,
            data_mb=plan.data_mb if plan.HasField("data_mb") else None,
            unlimited=plan.unlimited,
            fair_use_daily_mb=plan.fair_use.daily_mb,
            fair_use_kbps=plan.fair_use.throttle_kbps,
            region=plan.region,
        ),
        _listing(terms) if terms.price_list else None,
    )


def _listing(terms: prices_pb2.PriceTerms) -> Listing:
    return Listing(
        terms.price_list,
        terms.rule_version,
        Terms(
            tax=_decimal(terms.tax_rate),
            includes_tax=terms.includes_tax,
            fee_share=_decimal(terms.payment_fee_share),
            fee_amount=_decimal(terms.payment_fee),
            rate=Decimal(terms.exchange_rate or 1),
            buffer=_decimal(terms.exchange_rate_buffer),
        ),
        absorb=_decimal(terms.min_margin_to_absorb),
        least_price=Decimal(terms.least_price) if terms.least_price else None,
        rate_at=timestamps.from_proto(terms.exchange_rate_at)
        if terms.HasField("exchange_rate_at")
        else None,
        tax_country=terms.tax_country,
    )


def _decimal(text: str) -> Decimal:
    """Parse an exact number of the catalogue; empty is 0."""
    return Decimal(text or 0)
