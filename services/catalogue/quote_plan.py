"""A plan as it is sold now, with its cost and the terms of its price."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from kit.db.database import Connection
from kit.values import money, timestamps
from protos.catalogue.v1 import prices_pb2 as pb
from services.catalogue import price_lists
from services.catalogue import store as plan_store
from services.catalogue.curation.plan_messages import plan_messages
from services.catalogue.plan import Plan
from services.catalogue.prices import rule_store, store
from services.catalogue.prices.compute import plain
from services.catalogue.prices.explain import no_plan
from services.catalogue.prices.price_list import PriceList
from services.catalogue.prices.store import PriceRow


async def quote(
    connection: Connection, plan_id: UUID, currency: str, confirmed_at: datetime | None
) -> pb.QuotePlanResponse:
    """Return plan and terms. Without price lists the price is the cost, and the least price is 0.

    The transaction is a snapshot. `confirmed_at` is when the provider last confirmed the costs of all plans.
    It is left out if the price was computed from another cost.

    Raises Failure NOT_FOUND (PLAN_NOT_FOUND), and INVALID (UNKNOWN_CURRENCY).
    """
    found = await quotes(connection, [plan_id], currency, confirmed_at)
    if not found:
        raise no_plan(str(plan_id))
    return found[0]


async def quotes(
    connection: Connection, plan_ids: Sequence[UUID], currency: str, confirmed_at: datetime | None
) -> list[pb.QuotePlanResponse]:
    """Return plans and terms as `quote` does; unknown ids are left out."""
    revision = await plan_store.revision(connection)
    source = await price_lists.choose(connection, revision, currency)
    plans = await plan_store.plans_by_ids(connection, source, plan_ids)
    messages = await plan_messages(connection, plans)
    confirmed = timestamps.to_proto(confirmed_at)
    if source.price_list is None:
        return [
            pb.QuotePlanResponse(plan=message, terms=_at_cost(plan), confirmed_at=confirmed)
            for plan, message in zip(plans, messages, strict=True)
        ]
    lists = {one.id: one for one in await rule_store.lists(connection, revision.rule_version)}
    prices = await store.quoted(connection, [plan.id for plan in plans], source.key)
    found = []
    for plan, message in zip(plans, messages, strict=True):
        row, outdated = prices[plan.id]
        found.append(
            pb.QuotePlanResponse(
                plan=message,
                terms=_terms(row, lists[source.key]),
                confirmed_at=None if outdated else confirmed,
            )
        )
    return found


def _terms(row: PriceRow, one: PriceList) -> pb.PriceTerms:
    terms = pb.PriceTerms(
        price_list=row.price_list,
        rule_version=row.rule_version,
        cost=money.to_proto(row.cost, row.cost_currency),
        exchange_rate=plain(row.exchange_rate),
        exchange_rate_at=timestamps.to_proto(row.exchange_rate_at),
        tax_rate=plain(row.tax_rate),
        includes_tax=one.includes_tax,
        payment_fee_share=plain(one.fee_share),
        payment_fee=plain(one.fee_amount),
        exchange_rate_buffer=plain(one.buffer),
        min_margin_to_absorb=plain(one.absorb),
        valid_from=timestamps.to_proto(row.valid_from),
        tax_country=one.tax_country if row.tax_rate else "",
    )
    if row.least_price is not None:
        terms.least_price = plain(row.least_price)
    return terms


def _at_cost(plan: Plan) -> pb.PriceTerms:
    """Return terms that refuse no price: without price lists, the provider's price is what is paid."""
    return pb.PriceTerms(
        cost=money.to_proto(plan.bundle.price, plan.currency),
        exchange_rate="1",
        tax_rate="0",
        payment_fee_share="0",
        payment_fee="0",
        exchange_rate_buffer="0",
        least_price="0",
        min_margin_to_absorb="0",
    )
