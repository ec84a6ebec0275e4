"""Replaces price lists, rules and tax rates, and computes all prices in the same transaction."""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from uuid import UUID

from kit.db.database import Connection
from kit.errors import Failure, Kind
from protos.catalogue.v1 import prices_pb2 as pb
from services.catalogue.prices import preview, recompute, requests, rule_store
from services.catalogue.prices.recompute import Recomputed
from services.catalogue.prices.rule_store import Version

# Plans and rules that an error names.
NAMED = 20


async def set_rules(
    connection: Connection, request: pb.SetPriceRulesRequest, by: UUID | None
) -> tuple[Version, Recomputed]:
    """Make new rules the current version.

    Raises Failure INVALID, CONFLICT (VERSION_CONFLICT), and REFUSED (SELLS_AT_A_LOSS, EXCHANGE_RATE_MISSING,
    TAX_RATE_MISSING); the transaction must then be rolled back.
    """
    known = await rule_store.known(connection, requests.plans_of(request.rules))
    change = requests.change(request, known)
    await rule_store.lock(connection)
    current = await rule_store.current(connection)
    if change.expected != current.version:
        raise Failure(
            Kind.CONFLICT,
            "VERSION_CONFLICT",
            f"The rules have version {current.version}, not {change.expected}: somebody else changed"
            " them. Read the current version, apply your change to it, and try again",
            details={"version": str(current.version)},
        )
    version = await rule_store.add(
        connection,
        current.version + 1,
        request.lists,
        request.rules,
        note=change.note,
        created_by=by,
    )
    result = await recompute.apply(connection, version.parsed())
    require_allowed(result)
    await rule_store.publish(connection, version)
    return version, result


async def preview_rules(
    connection: Connection, request: pb.PreviewPricesRequest
) -> list[pb.PriceListPreview]:
    """Return what new rules would change; raises Failure as `set_rules` does, but for the version."""
    known = await rule_store.known(connection, requests.plans_of(request.rules))
    rules, worst = requests.preview(request, known)
    current = (await rule_store.current(connection)).parsed()
    lists, result = await preview.preview(connection, current, rules, worst)
    require_allowed(result)
    return lists


def require_allowed(result: Recomputed) -> None:
    """Raise Failure REFUSED if new rules sell a plan at a loss, or lack a tax rate or an exchange rate."""
    if result.untaxed:
        one = result.untaxed[0]
        raise Failure(
            Kind.REFUSED,
            "TAX_RATE_MISSING",
            f"Price list {one.id} has the tax of {one.tax_country}, which has no rate; set it with"
            " SetTaxRates (`esimgo taxes set`)",
        )
    if result.missing:
        pairs = ", ".join(f"{base} to {quote}" for base, quote in sorted(result.missing))
        raise Failure(
            Kind.REFUSED,
            "EXCHANGE_RATE_MISSING",
            f"There is no exchange rate from {pairs}; set it with SetExchangeRates (`esimgo rates set`), then"
            " try again",
        )
    loss = result.loss
    if not loss.plans:
        return
    rules, plans = _named(loss.rules), _named(loss.plans)
    raise Failure(
        Kind.REFUSED,
        "SELLS_AT_A_LOSS",
        f"Fixed prices of these rules are below the least price that keeps the minimum margin: {rules}."
        f" {len(loss.plans)} plans would be sold at a loss: {plans}. Raise the prices, or match fewer plans",
        details={
            "rules": ",".join(list(loss.rules)[:NAMED]),
            "plans": ",".join(list(loss.plans)[:NAMED]),
            "plan_count": str(len(loss.plans)),
        },
    )


def _named(names: Iterable[str]) -> str:
    found = list(names)
    more = f" and {len(found) - NAMED} more" if len(found) > NAMED else ""
    return ", ".join(found[:NAMED]) + more


async def set_tax_rates(connection: Connection, rates: Mapping[str, Decimal | None]) -> Recomputed:
    """Set or remove tax rates. Raises Failure REFUSED (TAX_RATE_IN_USE) for one that a price list needs."""
    await rule_store.lock(connection)
    current = (await rule_store.current(connection)).parsed()
    removed = [country for country, percent in rates.items() if percent is None]
    if used := [one for one in current.lists if one.tax_country in removed]:
        raise Failure(
            Kind.REFUSED,
            "TAX_RATE_IN_USE",
            f"Price list {used[0].id} has the tax of {used[0].tax_country}, so its rate can't be removed;"
            " change the list first, or set the rate to 0",
        )
    await rule_store.set_tax_rates(connection, rates)
    return await recompute.apply(connection, current)
