"""What an order charges: subtotal, discount, tax and total. Pure arithmetic, rounded once."""

from dataclasses import dataclass
from decimal import Decimal

from kit.values import currencies
from kit.values.margin import Terms

NONE = Decimal(0)
ONE = Decimal(1)


@dataclass(frozen=True, slots=True)
class Totals:
    """The sums of an order, in units of its currency.

    `total` is what the customer pays. `tax` is the part of it that is tax.
    """

    subtotal: Decimal
    discount: Decimal
    tax: Decimal
    total: Decimal


def totals(
    price: Decimal, quantity: int, currency: str, terms: Terms, *, discount: Decimal = NONE
) -> Totals:
    """Return the sums of an order for `quantity` of a plan at `price`. Only the tax of `terms` is used.

    The tax is rounded half up to the digits of the currency. A tax that the price doesn't include is added to
    the total. `discount` must have the digits of the currency. Raises ValueError unless it is between 0 and
    the subtotal.
    """
    subtotal = price * quantity
    if not 0 <= discount <= subtotal:
        raise ValueError(f"a discount of {discount} does not fit a subtotal of {subtotal}")
    rest = subtotal - discount
    if not terms.tax:
        return Totals(subtotal, discount, NONE, rest)
    if terms.includes_tax:
        net = currencies.rounded(rest / (ONE + terms.tax), currency)
        return Totals(subtotal, discount, rest - net, rest)
    added = currencies.rounded(rest * terms.tax, currency)
    return Totals(subtotal, discount, added, rest + added)
