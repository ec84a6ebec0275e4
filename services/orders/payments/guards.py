"""Guards: paid orders that look like fraud are held until a person has looked at them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from kit.db.database import Connection
from services.orders.payment import Payment

WINDOWS = {"hour": timedelta(hours=1), "day": timedelta(days=1)}
# What is counted, by the column that has it.
SCOPES = {
    "customer": "customer_id",
    "address": "client_address",
    "card": "card_fingerprint",
    "domain": "email_domain",
}
KINDS = ("orders", "amount")
AGE, AGE_AMOUNT, RISK = "young_account_hours", "young_account_amount", "high_risk"
NAMES = (*(f"{s}_{w}_{k}" for s in SCOPES for w in WINDOWS for k in KINDS), AGE, AGE_AMOUNT, RISK)
WHOLE = re.compile(r".*_orders|young_account_hours|high_risk")
# As for PURCHASE_LIMITS: up to 12 digits before the point, 9 after it.
VALUE = re.compile(r"[0-9]{1,12}(\.[0-9]{1,9})?")
# Domains of public mail providers: sharing one of these says nothing about a customer.
PUBLIC_DOMAINS = frozenset(
    {
        *("gmail.com", "googlemail.com", "outlook.com", "hotmail.com", "live.com", "msn.com"),
        *("yahoo.com", "icloud.com", "me.com", "aol.com", "proton.me", "protonmail.com", "gmx.de"),
        *("gmx.net", "web.de", "mail.ru", "yandex.ru", "qq.com", "163.com", "naver.com"),
    }
)


class GuardsError(ValueError):
    """The text of PAYMENT_GUARDS is malformed; the message says why."""


def parse(text: str) -> dict[str, Decimal]:
    """Parse limits by name from a text such as `card_day_orders=3, high_risk=1`; raises GuardsError."""
    found: dict[str, Decimal] = {}
    for part in filter(None, map(str.strip, text.split(","))):
        name, _, value = (piece.strip() for piece in part.partition("="))
        if name not in NAMES:
            raise GuardsError(f"unknown guard {name!r}; the guards are {', '.join(NAMES)}")
        if name in found:
            raise GuardsError(f"{name} is set twice")
        if not VALUE.fullmatch(value) or (WHOLE.fullmatch(name) and "." in value):
            what = "a whole number" if WHOLE.fullmatch(name) else "an amount such as 250.50"
            raise GuardsError(f"{name} must be {what}, not {value!r}")
        found[name] = Decimal(value)
    return found


# Held until the transaction ends, so that each of two payments under one limit counts the other.
LOCK = "select pg_advisory_xact_lock(hashtextextended('payment guards', 0))"
# Payments that were authorized or taken; released ones as well, as their orders were paid before they failed.
COUNT = """
select count(*)::int as orders,
    coalesce(sum(p.amount) filter (where p.currency = $4), 0) as amount
from orders.payments p
where p.{0} = $1 and p.created_at > now() - $2::interval and p.id <> $3
    and p.order_id is not null and p.authorized_at is not null
"""
COUNTS = {name: COUNT.format(column) for name, column in SCOPES.items()}
ACCOUNT = "select min(created_at) from orders.esim_orders where customer_id = $1"


@dataclass(frozen=True, slots=True)
class Guards:
    """Decides whether an order that is paid is bought at once, or held."""

    limits: Mapping[str, Decimal]

    async def reason(
        self, connection: Connection, payment: Payment, now: datetime, *, high_risk: bool
    ) -> str:
        """Return why the payment's order is held, for the staff; empty if it is not.

        Holds a lock until the transaction ends, if limits are set that count payments.
        """
        if high_risk and self.limits.get(RISK):
            return "the payment provider rates the risk as high"
        if young := self._young(payment, now):
            return young
        if not any(name.partition("_")[0] in SCOPES for name in self.limits):
            return ""
        await connection.execute(LOCK)
        for scope, column in SCOPES.items():
            value = getattr(payment, column)
            if not value or (scope == "domain" and value in PUBLIC_DOMAINS):
                continue
            for window, length in WINDOWS.items():
                if why := await self._above(connection, payment, scope, window, length, value):
                    return why
        return ""

    async def _above(
        self,
        connection: Connection,
        payment: Payment,
        scope: str,
        window: str,
        length: timedelta,
        value: Any,
    ) -> str:
        orders = self.limits.get(f"{scope}_{window}_orders")
        amount = self.limits.get(f"{scope}_{window}_amount")
        if orders is None and amount is None:
            return ""
        row: Any = await connection.fetchrow(
            COUNTS[scope], value, length, payment.id, payment.currency
        )
        if orders is not None and row["orders"] + 1 > orders:
            return f"{row['orders'] + 1} orders of this {scope} within a {window}"
        if amount is not None and row["amount"] + payment.amount > amount:
            total = row["amount"] + payment.amount
            return f"{total} {payment.currency} of this {scope} within a {window}"
        return ""

    def _young(self, payment: Payment, now: datetime) -> str:
        hours = self.limits.get(AGE)
        if not hours or payment.account_created_at is None:
            return ""
        age = (now - payment.account_created_at) / timedelta(hours=1)
        if age >= hours or payment.amount <= self.limits.get(AGE_AMOUNT, Decimal(0)):
            return ""
        return f"the account is younger than {hours} hours"
