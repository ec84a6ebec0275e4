"""The tables of the page."""

from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal

from cli.operators.sales import charts, texts
from cli.operators.sales.elements import Markup, tag
from cli.operators.sales.month import Month, Section
from kit.values import money
from protos.common.v1 import money_pb2
from protos.orders.v1 import reports_pb2 as pb

# Lines of the statement: label, field, and whether it is a sum of those above.
LINES = (
    ("Gross sales, with tax", "gross", False),
    ("less tax", "tax", False),
    ("less refunds", "refunds", False),
    ("less disputes", "disputes", False),
    ("Net sales", "net", True),
    ("less cost at eSIM Go", "cost", False),
    ("less payment fees", "fees", False),
    ("Margin", "margin", True),
)
AMOUNTS = ("gross", "tax", "refunds", "disputes", "net", "cost", "fees", "margin")


def statement(month: Month, section: Section) -> Markup:
    """Show how gross sales become the margin, beside the month before."""
    now, before = section.figures, section.previous
    rows = [_compared(label, section, name, total) for label, name, total in LINES]
    percents = [texts.percent(now), texts.percent(before), ""]
    rows.append(_row("Margin in percent of net", percents))
    rows.append(_compared("Orders sold", section, "orders"))
    rows.append(_compared("eSIMs and top-ups sold", section, "esims"))
    if value(now, "inventory_value") or value(before, "inventory_value"):
        title = "Value returned to the inventory, in no sum"
        rows.append(_compared(title, section, "inventory_value"))
    titles = ["", texts.month(month.first), texts.month(month.previous_first), "Change"]
    return _table(f"From gross sales to the margin, in {section.currency}", titles, rows)


def groups(section: Section, kind: str, found: Sequence[pb.SalesRow]) -> Markup:
    """Show destinations or plans, with a bar for the net of each."""
    values = [value(row.figures, "net") for row in found]
    rows = []
    for row, net in zip(found, values, strict=True):
        figures = row.figures
        drawn = charts.bar(net, values, "net" if net >= 0 else "loss")
        rows.append(
            tag(
                "tr",
                tag("th", texts.group(row), scope="row"),
                *map(_number, _texts(figures, "orders", "esims", "gross", "net")),
                tag("td", drawn, class_="drawn"),
                *map(_number, _texts(figures, "margin")),
                _number(texts.percent(figures)),
            )
        )
    whole = section.figures
    cells = [*_texts(whole, "orders", "esims", "gross", "net"), "", *_texts(whole, "margin")]
    cells.append(texts.percent(whole))
    rows.append(_row("Total", cells, total=True))
    titles = [kind, "Orders", "eSIMs", "Gross", "Net", "", "Margin", "Margin %"]
    return _table(f"By net sales, in {section.currency}", titles, rows)


def days(section: Section) -> Markup:
    """Show all figures of each day."""
    rows = []
    for row in section.days:
        when = date.fromisoformat(row.period.from_day)
        cells = _texts(row.figures, "orders", *AMOUNTS)
        rows.append(_row(f"{texts.weekday(when)} {when.day}", cells))
    rows.append(_row("Total", _texts(section.figures, "orders", *AMOUNTS), total=True))
    titles = ["Day", "Orders", *map(str.capitalize, AMOUNTS)]
    return _table(f"Figures by day, in {section.currency}", titles, rows)


def apart(found: Iterable[pb.SalesRow]) -> Markup:
    """Show amounts that belong to no order, such as the fees of top-ups of wallets."""
    rows = [_row(row.figures.fees.currency_code, _texts(row.figures, *AMOUNTS)) for row in found]
    titles = ["Currency", *map(str.capitalize, AMOUNTS)]
    return _table("Amounts by currency", titles, rows)


def value(figures: pb.SalesFigures, name: str) -> Decimal:
    """Return a figure as a number: an amount or a count."""
    found: money_pb2.Money | int = getattr(figures, name)
    return Decimal(found) if isinstance(found, int) else money.from_proto(found)


def text(figures: pb.SalesFigures, name: str) -> str:
    """Return a figure as text, an amount without its currency."""
    found: money_pb2.Money | int = getattr(figures, name)
    return texts.count(found) if isinstance(found, int) else texts.amount(found)


def change(section: Section, name: str) -> str:
    """Return by how many percent a figure changed from the month before."""
    return texts.change(value(section.figures, name), value(section.previous, name))


def _texts(figures: pb.SalesFigures, *names: str) -> list[str]:
    return [text(figures, name) for name in names]


def _compared(label: str, section: Section, name: str, total: bool = False) -> Markup:
    """Make a row of a figure, that of the month before, and the change, which is neither good nor bad."""
    amounts = [text(section.figures, name), text(section.previous, name)]
    return _row(label, [*amounts, tag("td", change(section, name))], total)


def _table(caption: str, titles: Sequence[str], rows: Sequence[Markup]) -> Markup:
    head = [tag("th", title, scope="col") if title else tag("td") for title in titles]
    table = tag(
        "table",
        tag("caption", caption),
        tag("thead", tag("tr", *head)),
        tag("tbody", *rows),
    )
    # Wide tables scroll on small screens, with the keyboard too.
    return tag("div", table, class_="scroll", tabindex=0, role="region", aria_label=caption)


def _row(label: str, cells: Sequence[str], total: bool = False) -> Markup:
    shown = [cell if isinstance(cell, Markup) else _number(cell) for cell in cells]
    return tag("tr", tag("th", label, scope="row"), *shown, class_="sum" if total else None)


def _number(shown: str) -> Markup:
    return tag("td", shown, class_="negative" if shown.startswith(texts.MINUS) else None)
