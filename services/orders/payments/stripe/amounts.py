"""Amounts as Stripe's API has them: integers of a minor unit, which differs by currency."""

from decimal import Decimal

from kit.errors import Failure, Kind

# Stripe, "Supported currencies". Currencies without an entry have two digits.
NO_DIGITS = frozenset(
    {
        *("BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA"),
        *("PYG", "RWF", "VND", "VUV", "XAF", "XOF", "XPF"),
    }
)
# The last digit must be 0.
THREE_DIGITS = frozenset({"BHD", "JOD", "KWD", "OMR", "TND"})
# Sent with two digits, which must be 00, as these currencies have no decimal places any more.
WHOLE_UNITS = frozenset({"ISK", "UGX"})
# The smallest payment, by settlement currency. Stripe converts first where it settles in another one, and
# then decides itself.
MINIMUMS = {
    **dict.fromkeys(
        (
            *("USD", "EUR", "ARS", "AUD", "BRL", "CAD", "CHF", "COP", "IDR"),
            *("ILS", "INR", "NZD", "PHP", "RUB", "SGD", "ZAR"),
        ),
        Decimal("0.50"),
    ),
    "GBP": Decimal("0.30"),
    **dict.fromkeys(("AED", "MYR", "PLN", "RON"), Decimal(2)),
    "DKK": Decimal("2.50"),
    **dict.fromkeys(("NOK", "SEK"), Decimal(3)),
    "HKD": Decimal(4),
    **dict.fromkeys(("MXN", "THB"), Decimal(10)),
    "CZK": Decimal(15),
    **dict.fromkeys(("JPY", "KRW"), Decimal(50)),
    "HUF": Decimal(175),
}


def digits(currency: str) -> int:
    """Return the digits after the point of Stripe's minor unit; `currency` is in upper case."""
    return 0 if currency in NO_DIGITS else 3 if currency in THREE_DIGITS else 2


def minimum(currency: str) -> Decimal:
    """Return the smallest amount that can be paid; 0 where Stripe has not published one."""
    return MINIMUMS.get(currency, Decimal(0))


def to_minor(amount: Decimal, currency: str) -> int:
    """Convert an amount in units of `currency` to minor units.

    Raises Failure REFUSED (PAYMENT_AMOUNT_IMPOSSIBLE) for an amount that the currency can't represent there.
    """
    minor = amount.scaleb(digits(currency))
    step = 100 if currency in WHOLE_UNITS else 10 if currency in THREE_DIGITS else 1
    if minor < 0 or minor % step:
        raise Failure(
            Kind.REFUSED,
            "PAYMENT_AMOUNT_IMPOSSIBLE",
            f"The payment provider can't take an amount of {currency} with these decimal places;"
            " choose another currency.",
        )
    return int(minor)


def from_minor(minor: int, currency: str) -> Decimal:
    """Convert minor units to units of `currency`, without trailing zeros of ISK and UGX."""
    amount = Decimal(minor).scaleb(-digits(currency))
    whole = currency in WHOLE_UNITS and amount == amount.to_integral_value()
    return amount.quantize(Decimal(1)) if whole else amount


def check_minimum(amount: Decimal, currency: str) -> None:
    """Raise Failure REFUSED (PAYMENT_AMOUNT_TOO_SMALL) for less than the smallest payment."""
    if amount < (least := minimum(currency)):
        raise Failure(
            Kind.REFUSED,
            "PAYMENT_AMOUNT_TOO_SMALL",
            f"The smallest amount that a card can pay is {least} {currency}.",
            details={"minimum": str(least), "currency": currency},
        )
