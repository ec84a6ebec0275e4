"""Numbers, days and names as people read them."""

from datetime import date
from decimal import ROUND_HALF_EVEN, Decimal
from functools import cache

from babel import Locale

from kit.values import currencies, money
from protos.common.v1 import money_pb2
from protos.orders.v1 import reports_pb2 as pb

MINUS = "\N{MINUS SIGN}"
# A number and its percent sign stay on one line.
PERCENT = "\N{NO-BREAK SPACE}%"
NONE = "\N{EN DASH}"
MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July"),
    *("August", "September", "October", "November", "December"),
)
AREAS = {
    "": "Without an order",
    "MULTIPLE": "Several countries (region not recorded)",
    "UNKNOWN": "Not recorded (older orders)",
}
OTHERS = "All others"


def amount(value: money_pb2.Money) -> str:
    """Format an amount with all its digits, such as "−1,234.50"; the currency stands in the heading."""
    exact = money.from_proto(value)
    # Never fewer places than the currency has, and never rounded.
    places = max(currencies.digits(value.currency_code or "USD"), -_exponent(exact))
    return signed(f"{exact:,.{places}f}")


def _exponent(exact: Decimal) -> int:
    exponent = exact.as_tuple().exponent
    return exponent if isinstance(exponent, int) else 0


def signed(text: str) -> str:
    """Return a number with a real minus sign."""
    return text.replace("-", MINUS)


def count(value: int) -> str:
    return signed(f"{value:,}")


def percent(figures: pb.SalesFigures) -> str:
    """Format the margin in percent of the net."""
    if not figures.HasField("margin_percent"):
        return NONE
    return signed(f"{figures.margin_percent:,.1f}{PERCENT}")


def change(now: Decimal, before: Decimal) -> str:
    """Format by how many percent a figure changed; a dash if it was zero."""
    if not before:
        return NONE
    share = ((now - before) * 100 / abs(before)).quantize(Decimal("0.1"), ROUND_HALF_EVEN)
    if not share:
        return f"0.0{PERCENT}"
    return signed(f"{share:+,.1f}{PERCENT}")


def month(first: date) -> str:
    """Return the name of the month that begins on this day."""
    return f"{MONTHS[first.month - 1]} {first.year}"


def day(when: date) -> str:
    return f"{when.day} {MONTHS[when.month - 1]}"


def weekday(when: date) -> str:
    return ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")[when.weekday()]


def group(row: pb.SalesRow) -> str:
    """Return the name of a row's group: the country of a code, and the label of anything else."""
    if row.other:
        return OTHERS
    found = row.groups[0]
    if found.dimension == pb.SALES_DIMENSION_AREA:
        return AREAS.get(found.value) or _countries().get(found.value, found.label)
    return found.label or "Without a plan"


@cache
def _countries() -> dict[str, str]:
    # Three digits are regions.
    return {str(code): str(name) for code, name in Locale("en").territories.items()}
