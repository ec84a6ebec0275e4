"""Counts sales from the ledger in plain Python, to compare reports with."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from typing import Any
from uuid import UUID

from services.orders.books.posting import digits

ENTRIES = """
select t.id, t.n, t.kind, t.at, t.order_id, e.n as entry, e.account, e.amount, e.currency
from orders.ledger_transactions t join orders.ledger_entries e on e.transaction_id = t.id
order by t.n, e.n
"""
ORDERS = "select * from orders.esim_orders"


@dataclass(frozen=True)
class Figure:
    """One amount that counts, with all that reports group by."""

    fact: tuple[UUID, int]  # the entry of the ledger
    name: str  # gross, tax, refunds, disputes, cost or fees
    amount: Decimal
    currency: str
    converted: Decimal | None
    converted_currency: str
    at: datetime
    sold_at: datetime
    orders: int
    esims: int
    dimensions: Mapping[str, str] = field(hash=False)

    def in_currency(self, currency: str) -> Decimal | None:
        """Return the amount in a currency, None if there is no rate."""
        if self.currency == currency:
            return self.amount
        return self.converted if self.converted_currency == currency else None


async def figures(admin: Any) -> list[Figure]:
    """Read the ledger and the orders' snapshots, and return what counts."""
    orders = {row["id"]: dict(row) for row in await admin.fetch(ORDERS)}
    acts: dict[UUID, list[Any]] = defaultdict(list)
    for row in await admin.fetch(ENTRIES):
        acts[row["id"]].append(row)
    sales: dict[UUID, tuple[int, datetime]] = {}
    for kind in ("COST", "SALE"):  # the sale comes first, if there is one
        for rows in acts.values():
            if rows[0]["kind"] == kind:
                sales[rows[0]["order_id"]] = rows[0]["n"], rows[0]["at"]
    return [
        found
        for rows in acts.values()
        for found in _act(rows, orders.get(rows[0]["order_id"]), sales.get(rows[0]["order_id"]))
    ]


def _act(
    rows: list[Any], order: dict[str, Any] | None, sale: tuple[int, datetime] | None
) -> Iterable[Figure]:
    at, kind = rows[0]["at"], rows[0]["kind"]
    known = sale is not None and (sale[0] <= rows[0]["n"] or sale[1] == at)
    sold_at = sale[1] if sale is not None and known else at
    free = order is not None and not _rounded(Fraction(order["total_price"]), order["currency"])
    described = dimensions(order, rows)
    for row in rows:
        account, amount = row["account"], row["amount"]
        counts = (account == "revenue" and kind == "SALE") or (
            account == "cost" and kind == "COST" and free
        )
        for name, signed in _named(account, kind, amount):
            converted, currency = _converted(signed, row["currency"], rows, order)
            yield Figure(
                (row["id"], row["entry"]),
                name,
                signed,
                row["currency"],
                converted,
                currency,
                at,
                sold_at,
                int(counts),
                order["quantity"] if order is not None and counts else 0,
                described,
            )


def _named(account: str, kind: str, amount: Decimal) -> list[tuple[str, Decimal]]:
    if account == "revenue":
        return [("gross", -amount)]
    if account.startswith("tax:"):
        if kind == "SALE":
            return [("gross", -amount), ("tax", -amount)]
        return [("refunds", amount), ("tax", -amount)]
    names = {"refunds": "refunds", "cost": "cost", "fees": "fees", "disputes": "disputes"}
    return [(names[account], amount)] if account in names else []


def _converted(
    amount: Decimal, currency: str, rows: list[Any], order: dict[str, Any] | None
) -> tuple[Decimal | None, str]:
    exact = Fraction(amount)
    if order is not None and order["exchange_rate"] and order["currency"] != order["cost_currency"]:
        rate = Fraction(order["exchange_rate"])
        if currency == order["currency"]:
            return _rounded(exact / rate, order["cost_currency"]), order["cost_currency"]
        if currency == order["cost_currency"]:
            return _rounded(exact * rate, order["currency"]), order["currency"]
    if rows[0]["kind"] == "FEE":
        exchanged = {
            row["currency"]: Fraction(row["amount"]) for row in rows if row["account"] == "fx"
        }
        settled = exchanged.pop(currency, None)
        for other, paid in exchanged.items():
            if settled:
                return _rounded(exact * paid / -settled, other), other
    return None, ""


def _rounded(exact: Fraction, currency: str) -> Decimal:
    """Round half away from zero to the digits of the currency."""
    unit = Decimal(1).scaleb(-digits(currency))
    scaled = abs(exact) / Fraction(unit)
    whole = int(scaled) + (scaled - int(scaled) >= Fraction(1, 2))
    result = (whole * unit).quantize(unit, ROUND_HALF_UP)
    return -result if exact < 0 else result


def dimensions(order: dict[str, Any] | None, rows: list[Any]) -> dict[str, str]:
    """Return the value of each dimension."""
    if order is None:
        owed = [r["account"].split(":")[1] for r in rows if r["account"].startswith("receivable:")]
        names = ("AREA", "COUNTRY", "REGION", "PLAN", "DURATION", "CURRENCY", "COUPON")
        empty = dict.fromkeys(names, "")
        return empty | {"SOURCE": "NONE", "ORGANIZATION": owed[0] if owed else ""}
    plan = order["sold_plan"] or {}
    countries = plan.get("countries")
    several = "UNKNOWN" if countries is None else order["sold_region"] or "MULTIPLE"
    only = countries[0] if countries is not None and len(countries) == 1 else ""
    return {
        "AREA": only or several,
        "COUNTRY": only,
        "REGION": order["sold_region"] or "",
        "PLAN": str(order["plan_id"]),
        "DURATION": str(plan["duration_days"]) if plan else "",
        "CURRENCY": order["currency"],
        "ORGANIZATION": str(order["organization_id"] or ""),
        "COUPON": order["coupon_code"],
        "SOURCE": _source(order),
    }


def _source(order: dict[str, Any]) -> str:
    if order.get("batch_order_id"):
        return "BATCH"
    return "API" if order["customer_id"].version == 8 else "SHOP"


FACTS = """
select f.*, (d.country, d.area) as place, d.* from orders.sales_figures f
join orders.sales_dimensions d on d.id = f.dimension_id
"""
FACT_NAMES = ("gross", "tax", "refunds", "disputes", "cost", "fees")


async def recorded(admin: Any) -> list[Figure]:
    """Return what the recorded facts say, to be compared with `figures`."""
    found = []
    for row in await admin.fetch(FACTS):
        described = {
            "AREA": row["area"],
            "COUNTRY": row["country"] or "",
            "REGION": row["region"],
            "PLAN": str(row["plan_id"] or ""),
            "DURATION": "" if row["duration_days"] is None else str(row["duration_days"]),
            "CURRENCY": row["sale_currency"],
            "ORGANIZATION": str(row["organization_id"] or ""),
            "COUPON": row["coupon_code"],
            "SOURCE": row["source"],
        }
        found += [
            Figure(
                (row["transaction_id"], row["n"]),
                name,
                row[name],
                row["currency"],
                row[f"converted_{name}"] if row["converted_currency"] else None,
                row["converted_currency"],
                row["at"],
                row["sold_at"],
                row["orders"],
                row["esims"],
                described,
            )
            for name in FACT_NAMES
            if row[name]
        ]
    return found


def compared(found: Iterable[Figure]) -> list[Any]:
    """Return figures in a form that can be compared, in a fixed order."""
    return sorted(
        (f.name, f.at, f.sold_at, f.currency, f.amount, f.converted or 0, f.converted_currency,
         f.orders, f.esims, sorted(f.dimensions.items()))
        for f in found
    )  # fmt: skip
