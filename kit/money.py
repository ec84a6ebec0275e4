"""Exact money between Decimal, the protos' Money and text; never a float."""

from decimal import Decimal

from protos.common.v1 import money_pb2

NANOS = Decimal(10) ** 9


def to_proto(amount: Decimal, currency: str) -> money_pb2.Money:
    """Splits an amount of up to nine decimal places; more raise ValueError, as nothing is rounded."""
    nanos = amount * NANOS
    if nanos != nanos.to_integral_value():
        raise ValueError(f"{amount} has more than nine decimal places")
    sign = -1 if nanos < 0 else 1
    units, rest = divmod(abs(int(nanos)), 10**9)
    return money_pb2.Money(currency_code=currency, units=sign * units, nanos=sign * rest)


def from_proto(money: money_pb2.Money) -> Decimal:
    """The amount; its currency is `money.currency_code`."""
    return plain(Decimal(money.units) + Decimal(money.nanos) / NANOS)


def nearest_float(money: money_pb2.Money) -> float:
    """The float that is nearest to the amount, as `float(from_proto(money))` gives it."""
    # A division of whole numbers is rounded once, to the nearest.
    return (money.units * 10**9 + money.nanos) / 10**9


def text(money: money_pb2.Money) -> str:
    """The exact amount, as `str(from_proto(money))` gives it."""
    units, nanos = money.units, money.nanos
    if nanos == 0:
        return str(units)
    if units < 0 or not 0 < nanos < 10**9:
        return str(from_proto(money))
    return f"{units}.{nanos:09d}".rstrip("0")


def plain(amount: Decimal) -> Decimal:
    """The same amount without needless zeros, and never in exponent form."""
    short = amount.normalize()
    return short.quantize(Decimal(1)) if short == short.to_integral_value() else short
