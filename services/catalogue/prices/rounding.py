"""The grids of prices that a price list may have, and rounding up to them."""

from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_HALF_EVEN, Decimal
from enum import StrEnum
from functools import cache

from kit.values import currencies

ONE = Decimal(1)
# Amounts are rounded to this before they are rounded up, because a quotient such as 1 / 0.6 is never exact.
# An amount that is at most half of this above a price of the grid becomes that price.
NOISE = Decimal("1E-9")


class Rounding(StrEnum):
    """Which prices a list has: any, only those that end in .99 or .90, or whole numbers."""

    NONE = "NONE"
    TO_99 = "TO_99"
    TO_90 = "TO_90"
    TO_WHOLE = "TO_WHOLE"


ENDINGS = {Rounding.TO_99: Decimal("0.99"), Rounding.TO_90: Decimal("0.90")}
# Decimal places that the endings need.
ENDING_DIGITS = 2


@dataclass(frozen=True, slots=True)
class Grid:
    """The prices `ending`, `ending` + `step`, and so on, written with the digits of `unit`."""

    step: Decimal
    ending: Decimal
    unit: Decimal

    def up(self, amount: Decimal) -> Decimal:
        """Return the least price at or above an amount, which must not be negative."""
        return ((amount - self.ending).quantize(self.step, ROUND_CEILING) + self.ending).quantize(
            self.unit
        )

    def up_from_about(self, amount: Decimal) -> Decimal:
        """Return the least price at or above an amount that may have an error of the last digits."""
        return self.up(amount.quantize(NOISE, ROUND_HALF_EVEN))


@cache
def grid(rounding: Rounding, currency: str) -> Grid:
    """Return the grid of a rounding in a currency."""
    unit = currencies.unit(currency)
    step = unit if rounding is Rounding.NONE else ONE
    return Grid(step, ENDINGS.get(rounding, Decimal(0)), unit)
