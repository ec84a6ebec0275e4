"""How much a customer can add to a wallet at once."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from kit.errors import Failure, Kind
from kit.values import currencies, money

FORM = re.compile(r"([A-Z]{3})=([0-9]{1,9}(?:\.[0-9]+)?)-([0-9]{1,9}(?:\.[0-9]+)?)", re.ASCII)
# The largest amount that all payment methods of the payment provider take has eight digits.
MAX_UNITS = 99_999_999


class TopUpLimitsError(ValueError):
    """The text of the limits is malformed; the message says what is expected."""


@dataclass(frozen=True, slots=True)
class TopUpLimits:
    """The smallest and largest top-up by currency; without any, all currencies can be topped up."""

    by_currency: Mapping[str, tuple[Decimal, Decimal]] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str) -> "TopUpLimits":
        """Parse limits such as "USD=5-500,EUR=5-500"; raises TopUpLimitsError."""
        found: dict[str, tuple[Decimal, Decimal]] = {}
        for part in filter(None, (part.strip() for part in text.split(","))):
            match = FORM.fullmatch(part)
            if match is None or not currencies.is_known(match[1]):
                raise TopUpLimitsError(
                    f'"{part}" must be a currency with two amounts, such as USD=5-500'
                )
            low, high = Decimal(match[2]), Decimal(match[3])
            if not 0 < low <= high:
                raise TopUpLimitsError(f'"{part}" must have a smallest amount above 0 first')
            found[match[1]] = low, high
        return cls(found)

    def check(self, amount: Decimal, currency: str, least: Decimal) -> None:
        """Raise Failure REFUSED (TOP_UP_NOT_OFFERED, TOP_UP_TOO_SMALL, TOP_UP_TOO_LARGE).

        `least` is the smallest amount that a card can pay.
        """
        if self.by_currency and currency not in self.by_currency:
            offered = ", ".join(sorted(self.by_currency))
            raise Failure(
                Kind.REFUSED,
                "TOP_UP_NOT_OFFERED",
                f"Wallets in {currency} can't be topped up here; use one of {offered}",
                details={"currencies": offered},
            )
        largest = MAX_UNITS * currencies.unit(currency)
        low, high = self.by_currency.get(currency, (least, largest))
        low, high = max(low, least), min(high, largest)
        for reason, what, limit, ok in (
            ("TOP_UP_TOO_SMALL", "at least", low, amount >= low),
            ("TOP_UP_TOO_LARGE", "at most", high, amount <= high),
        ):
            if not ok:
                raise Failure(
                    Kind.REFUSED,
                    reason,
                    f"A top-up is {what} {money.plain(limit):f} {currency}",
                    details={"limit": f"{money.plain(limit):f}", "currency": currency},
                )
