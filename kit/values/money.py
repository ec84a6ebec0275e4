"""Exact conversion of money between Decimal, the protos' Money, text, and floats of JSON clients."""

import struct
from decimal import Decimal

from protos.common.v1 import money_pb2

NANOS = Decimal(10) ** 9
# Prices and amounts have at most three decimal places.
MILLS = Decimal("0.001")
NINE_PLACES = Decimal("0.000000001")
# Relative errors after about a hundred additions of doubles, or a few of single-precision floats. A number
# this close to a three-place amount is read as that amount.
DOUBLE_ERROR = 1e-13
SINGLE_ERROR = 1e-6
# Beyond it, adjacent doubles differ by more than the smallest amount.
MAX_NOISY = Decimal(10) ** 12


def to_proto(amount: Decimal, currency: str) -> money_pb2.Money:
    """Convert an amount; raises ValueError for more than nine decimal places."""
    money = money_pb2.Money()
    write(amount, currency, money)
    return money


def write(amount: Decimal, currency: str, money: money_pb2.Money) -> None:
    """Convert an amount into an empty message: faster within large ones, as nothing is copied."""
    money.currency_code = currency
    if not amount:
        return
    nanos = int(exact := amount * NANOS)
    if nanos != exact:
        raise ValueError(f"{amount} has more than nine decimal places")
    units, rest = divmod(abs(nanos), 10**9)
    money.units = units if nanos >= 0 else -units
    money.nanos = rest if nanos >= 0 else -rest


def from_proto(money: money_pb2.Money) -> Decimal:
    """Return the amount without its currency."""
    return plain(Decimal(money.units) + Decimal(money.nanos) / NANOS)


def nearest_float(money: money_pb2.Money) -> float:
    """Return the nearest float, equal to `float(from_proto(money))` but faster."""
    # Python rounds the quotient of two ints correctly.
    return (money.units * 10**9 + money.nanos) / 10**9


def text(money: money_pb2.Money) -> str:
    """Return the exact amount in plain digits."""
    units, nanos = money.units, money.nanos
    if nanos == 0:
        return str(units)
    if units < 0 or not 0 < nanos < 10**9:
        return f"{from_proto(money):f}"
    return f"{units}.{nanos:09d}".rstrip("0")


def plain(amount: Decimal) -> Decimal:
    """Return the amount without trailing zeros or an exponent."""
    short = amount.normalize()
    return short.quantize(Decimal(1)) if short == short.to_integral_value() else short


def without_float_noise(amount: Decimal) -> Decimal:
    """Return the three-place amount that `amount` is within float error of; otherwise `amount` itself.

    3.1500000000000004, which is 1.05 * 3 in binary floating point, becomes 3.15.
    """
    exponent = amount.as_tuple().exponent  # a letter for NaN and the infinities
    if not isinstance(exponent, int) or exponent >= -3 or abs(amount) >= MAX_NOISY:
        return amount
    rounded = amount.quantize(MILLS)
    number = float(amount)
    single: float = struct.unpack("f", struct.pack("f", number))[0]
    error = SINGLE_ERROR if number == single else DOUBLE_ERROR
    # Near zero, the error is that of the terms that canceled out.
    is_noise = abs(float(rounded - amount)) <= error * max(1.0, abs(number))
    return abs(rounded) if is_noise and not rounded else rounded if is_noise else amount


def written(amount: Decimal) -> Decimal:
    """Return the amount that a client wrote, without float noise; raise ValueError if nothing is left."""
    exact = without_float_noise(amount)
    if amount and not exact:
        raise ValueError("too small to be money")
    return exact


def from_float(value: float) -> Decimal:
    """Return the amount that a float represents, without float noise and to at most nine places.

    Raises ValueError for NaN, the infinities, numbers of 10^12 and more, and those too small to be money.
    """
    # The shortest decimal that is parsed as this float, which is what the client wrote.
    amount = Decimal(repr(value))
    if not amount.is_finite() or abs(amount) >= MAX_NOISY:
        raise ValueError("not an amount of money")
    amount = without_float_noise(amount)
    rounded = amount.quantize(NINE_PLACES)
    if amount and not rounded:
        raise ValueError("not an amount of money")
    return plain(rounded)
