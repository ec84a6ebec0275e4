"""Explains a price step by step, and lists prices with their margins."""

from datetime import datetime
from uuid import UUID

from kit.db.database import Connection
from kit.errors import Failure, Kind
from protos.catalogue.v1 import prices_pb2 as pb
from services.catalogue.price_lists import unknown_currency
from services.catalogue.prices import messages, rule_store, store
from services.catalogue.prices.compute import Pricing, Step, plain, price_of
from services.catalogue.prices.matching import Matcher
from services.catalogue.prices.price_list import PriceList
from services.catalogue.prices.rule_set import RuleSet


def chosen(rules: RuleSet, currency: str) -> PriceList:
    """Return the list of a currency, by default the first one.

    Raises Failure REFUSED (NO_PRICE_LISTS) without any list, and INVALID (UNKNOWN_CURRENCY).
    """
    if not rules.lists:
        raise Failure(
            Kind.REFUSED,
            "NO_PRICE_LISTS",
            "There are no price lists, so every plan is sold at its cost; set some with SetPriceRules"
            " (`esimgo prices set`)",
        )
    found = rules.list_of(currency)
    if found is None:
        raise unknown_currency([one.currency for one in rules.lists])
    return found


def no_plan(name: str) -> Failure:
    return Failure(
        Kind.NOT_FOUND,
        "PLAN_NOT_FOUND",
        f"There is no plan {name} in this price list; check its id or bundle name",
    )


async def explain(
    connection: Connection, plan: UUID, currency: str, name: str
) -> pb.ExplainPriceResponse:
    """Return how the current price of a plan was computed; raises Failure NOT_FOUND, and as `chosen`.

    The price is computed again, with the exchange rate and the tax that it was computed with. The transaction
    is a snapshot.
    """
    rules = (await rule_store.current(connection)).parsed()
    one = chosen(rules, currency)
    facts = await store.FactsReader().of(connection, plan)
    row = await store.price_of_plan(connection, plan, one.id)
    if facts is None or row is None:
        raise no_plan(name)
    terms = one.terms(row.tax_rate, row.exchange_rate)
    matcher, steps = Matcher(rules.rules), list[Step]()
    found = matcher.first(matcher.matching(facts), facts, one.id)
    price_of(row.cost, found, Pricing(one, row.cost_currency, terms, row.exchange_rate_at), steps)
    made_of = messages.parts(terms, row.retail, row.cost)
    return pb.ExplainPriceResponse(
        price=messages.price_message(row, facts.name, terms),
        steps=map(messages.step_message, steps),
        least_price="" if row.least_price is None else plain(row.least_price),
        net_price=plain(made_of.net),
        payment_fee=plain(made_of.fee),
        converted_cost=plain(made_of.cost),
    )


async def history(
    connection: Connection, plan: UUID, currency: str, before: datetime, limit: int, name: str
) -> list[pb.PlanPrice]:
    """Return the prices that a plan had in a currency, the newest first, with their margins at that time.

    Without `currency`, in that of the first list. The transaction is a snapshot. Raises Failure NOT_FOUND,
    and as `chosen`.
    """
    rules = (await rule_store.current(connection)).parsed()
    currency = currency or chosen(rules, "").currency
    facts = await store.FactsReader().of(connection, plan)
    if facts is None:
        raise no_plan(name)
    lists = {(rules.version, one.id): one for one in rules.lists}
    found = []
    rows = await store.history(connection, plan, currency, before, limit)
    if not rows:
        chosen(rules, currency)  # raises if no list ever had this currency
    for row, valid_to in rows:
        version = rules.version if valid_to is None else row.rule_version
        if (version, row.price_list) not in lists:
            # Without the rules, which may be a thousand in each of hundreds of versions.
            old = await rule_store.lists(connection, version)
            lists |= {(version, one.id): one for one in old}
        terms = lists[version, row.price_list].terms(row.tax_rate, row.exchange_rate)
        found.append(messages.price_message(row, facts.name, terms, valid_to))
    return found


async def listing(
    connection: Connection, currency: str, after: str, limit: int, *, only_unsellable: bool
) -> list[pb.PlanPrice]:
    """Return a page of the prices of a list, by the plans' names; raises Failure as `chosen`.

    The transaction is a snapshot.
    """
    one = chosen((await rule_store.current(connection)).parsed(), currency)
    rows = await store.listing(connection, one.id, after, limit, only_unsellable=only_unsellable)
    return [
        messages.price_message(row, name, one.terms(row.tax_rate, row.exchange_rate))
        for name, row in rows
    ]
