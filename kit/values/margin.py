"""What remains of a price after tax, payment fee and cost, and the least price that leaves enough."""

from dataclasses import dataclass
from decimal import ROUND_CEILING, Context, Decimal, localcontext

ONE = Decimal(1)
# Products of amounts, rates and shares are exact; a quotient is rounded up, so that it is always enough.
UPWARDS = Context(prec=100, rounding=ROUND_CEILING)


@dataclass(frozen=True, slots=True)
class Terms:
    """The terms of a sale: tax, payment fee and exchange rate. Shares are fractions: 0.029 is 2.9 %.

    `tax` is part of a price if `includes_tax`, else it is added to it. The payment fee is a share of what
    the customer pays, and an amount in the price's currency. `rate` converts the cost to that currency.
    `buffer` is a share that is added to the cost, as the rate may rise until the provider is paid.
    """

    tax: Decimal = Decimal(0)
    includes_tax: bool = True
    fee_share: Decimal = Decimal(0)
    fee_amount: Decimal = Decimal(0)
    rate: Decimal = ONE
    buffer: Decimal = Decimal(0)

    def net(self, price: Decimal) -> Decimal:
        """Return the price without tax, unrounded."""
        return price / (ONE + self.tax) if self.includes_tax else price

    def paid(self, price: Decimal) -> Decimal:
        """Return what the customer pays for a price, with tax, unrounded."""
        return price if self.includes_tax else price * (ONE + self.tax)

    def remaining(self, price: Decimal) -> Decimal:
        """Return what remains of a price after tax and payment fee, before the cost."""
        return self.net(price) - self.fee_share * self.paid(price) - self.fee_amount

    def converted(self, cost: Decimal) -> Decimal:
        """Return the cost in the price's currency, with the buffer."""
        return cost * self.rate * (ONE + self.buffer)

    def margin(self, price: Decimal, cost: Decimal) -> Decimal:
        """Return what remains of a price after tax, payment fee and cost; negative for a loss."""
        return self.remaining(price) - self.converted(cost)

    def least_price(
        self, cost: Decimal, *, amount: Decimal = Decimal(0), share: Decimal = Decimal(0)
    ) -> Decimal | None:
        """Return the least price whose margin is at least `amount`, and `share` of its net price.

        Not rounded to the currency's digits. None if no price is enough.
        """
        with localcontext(UPWARDS):
            # Tax is multiplied in, so that nothing is rounded before the only division.
            gross = ONE + self.tax
            factor = gross if self.includes_tax else ONE
            spent = self.converted(cost) + self.fee_amount
            by_amount = ONE - self.fee_share * gross
            by_share = by_amount - share
            if by_amount <= 0 or by_share <= 0:
                return None
            least = max((spent + amount) * factor / by_amount, spent * factor / by_share)
            return max(least, Decimal(0))

    def greatest_cost(self, price: Decimal, *, amount: Decimal = Decimal(0)) -> Decimal:
        """Return the greatest cost, in its own currency, at which a price leaves a margin of `amount`."""
        return (self.remaining(price) - amount) / (self.rate * (ONE + self.buffer))
