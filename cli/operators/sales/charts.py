"""Charts as SVG, drawn without scripts. The numbers of each chart are in a table too."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from cli.operators.sales import texts
from cli.operators.sales.elements import Markup, tag

WIDTH, HEIGHT = 760, 260
LEFT, RIGHT, TOP, BOTTOM = 56, 4, 12, 28
TICKS = 5
# Steps of an axis: 1, 2 or 5 times a power of ten.
STEPS = (1, 2, 5, 10)
# Large numbers of an axis, from which on they are written in this unit.
UNITS = ((Decimal(10**9), " bn"), (Decimal(10**6), " M"), (Decimal(10**3), " k"))


@dataclass(frozen=True, slots=True)
class Series:
    """Values to draw side by side with those of other series; `kind` is the class of their style."""

    name: str
    kind: str
    values: Sequence[Decimal]


def step(span: Decimal) -> Decimal:
    """Return the distance of grid lines, so that at most TICKS + 1 of them cover the span."""
    if span <= 0:
        return Decimal(1)
    rough = span / TICKS
    power = Decimal(10) ** rough.adjusted()
    return next(power * factor for factor in STEPS if power * factor >= rough)


def axis(values: Sequence[Decimal]) -> list[Decimal]:
    """Return the grid lines from below the lowest to above the highest value; zero is one of them."""
    low, high = min([*values, Decimal(0)]), max([*values, Decimal(0)])
    distance = step(high - low)
    first, last = (low / distance).to_integral_value("ROUND_FLOOR"), (high / distance)
    last = last.to_integral_value("ROUND_CEILING")
    if first == last:
        last += 1
    return [distance * n for n in range(int(first), int(last) + 1)]


def columns(
    label: str, labels: Sequence[str], tooltips: Sequence[str], series: Sequence[Series]
) -> Markup:
    """Draw columns side by side for each label, upward from zero, or downward if they are negative."""
    lines = axis([value for one in series for value in one.values])
    low, span = lines[0], lines[-1] - lines[0]

    def y(value: Decimal) -> float:
        return TOP + float(1 - (value - low) / span) * (HEIGHT - TOP - BOTTOM)

    grid = [
        tag("line", x1=LEFT, x2=WIDTH - RIGHT, y1=_at(y(v)), y2=_at(y(v)), class_=_line(v))
        for v in lines
    ]
    names = [
        tag("text", _short(v, lines), x=LEFT - 8, y=_at(y(v) + 4), text_anchor="end", class_="axis")
        for v in lines
    ]
    slot = (WIDTH - LEFT - RIGHT) / max(len(labels), 1)
    width = slot * 0.8 / len(series)
    found: list[Markup] = []
    for n, text in enumerate(labels):
        start = LEFT + slot * n
        found.append(
            tag(
                "text",
                text,
                x=_at(start + slot / 2),
                y=HEIGHT - 9,
                text_anchor="middle",
                class_="axis",
            )
        )
        for m, one in enumerate(series):
            value = one.values[n]
            top, bottom = sorted((y(value), y(Decimal(0))))
            found.append(
                tag(
                    "rect",
                    tag("title", f"{tooltips[n]}: {one.name} {texts.signed(f'{value:,}')}"),
                    x=_at(start + slot * 0.1 + width * m),
                    y=_at(top),
                    width=_at(width),
                    height=_at(bottom - top),
                    class_=one.kind,
                )
            )
    return tag(
        "svg", *grid, *names, *found, viewBox=f"0 0 {WIDTH} {HEIGHT}", role="img", aria_label=label
    )


def bar(value: Decimal, values: Sequence[Decimal], kind: str) -> Markup:
    """Draw one bar of a table's column, on the scale of all of them. Readers of the table don't need it."""
    low, high = min([*values, Decimal(0)]), max([*values, Decimal(0)])
    span = high - low or Decimal(1)
    zero = float(-low / span) * 100
    length = float(abs(value) / span) * 100
    start = zero if value >= 0 else zero - length
    return tag(
        "svg",
        tag("rect", x=_at(start), y=0, width=_at(length), height=10, class_=kind),
        tag("line", x1=_at(zero), x2=_at(zero), y1=-2, y2=12, class_="zero"),
        viewBox="-1 -2 102 14",
        preserveAspectRatio="none",
        class_="bar",
        aria_hidden="true",
    )


def _line(value: Decimal) -> str:
    return "zero" if not value else "grid"


def _short(value: Decimal, lines: Sequence[Decimal]) -> str:
    """Return the text of a grid line, in thousands, millions or billions if the numbers are large."""
    highest = max(map(abs, lines))
    unit, sign = next((one for one in UNITS if highest >= one[0]), (Decimal(1), ""))
    # With as many places as tell it from the next line.
    exponent = ((lines[1] - lines[0]) / unit).normalize().as_tuple().exponent
    places = max(-exponent, 0) if isinstance(exponent, int) else 0
    return texts.signed(f"{value / unit:,.{places}f}{sign if value else ''}")


def _at(position: float) -> str:
    return f"{position:.2f}".rstrip("0").rstrip(".")
