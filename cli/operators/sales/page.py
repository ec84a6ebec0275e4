"""The page of one month's sales: one file without scripts, for screens, paper and screen readers."""

from datetime import date
from decimal import Decimal

from cli.operators.sales import charts, tables, texts
from cli.operators.sales.charts import Series
from cli.operators.sales.elements import Markup, join, tag
from cli.operators.sales.month import Month, Section
from cli.operators.sales.style import STYLE

# The page loads nothing and runs nothing, whatever is in the names of plans.
POLICY = "default-src 'none'; style-src 'unsafe-inline'"
TILES = (
    ("Orders", "orders"),
    ("Gross sales", "gross"),
    ("Refunds", "refunds"),
    ("Net sales", "net"),
    ("Margin", "margin"),
)
DEFINITIONS = (
    ("Gross", "What was sold, with tax."),
    ("Tax", "Tax of sales, less the tax in refunds."),
    ("Refunds", "Given back to customers, with the tax in it, on the day of the refund."),
    ("Disputes", "Withdrawn by the payment provider, less what it gave back."),
    ("Net", "Gross less tax, refunds and disputes."),
    ("Cost", "Charged by eSIM Go, less what it paid back."),
    ("Fees", "Of the payment provider."),
    ("Margin", "Net less cost and fees."),
)


def page(month: Month) -> str:
    """Return the HTML of the page."""
    title = f"Sales report, {texts.month(month.first)}"
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=POLICY),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="robots", content="noindex"),
        tag("title", title),
        tag("style", Markup(STYLE)),
    )
    body = tag("body", tag("main", _header(month, title), *_sections(month), _footer()))
    return f"<!DOCTYPE html>\n{tag('html', head, body, lang='en')}\n"


def _header(month: Month, title: str) -> Markup:
    as_of = f"{month.as_of:%Y-%m-%d %H:%M} UTC"
    parts = [
        tag("h1", title),
        tag(
            "p",
            f"Days begin at midnight in {month.time_zone}. Figures as of {as_of}.",
            class_="quiet",
        ),
    ]
    if not month.over:
        text = (
            f"{texts.month(month.first)} is not over yet, and is compared with the whole of"
            f" {texts.month(month.previous_first)}."
        )
        parts.append(_note(text))
    if not month.complete:
        parts.append(
            _note("Sales of older orders are still being recorded, so figures may be too low.")
        )
    if len(month.sections) > 1:
        links = [
            tag("li", tag("a", f"Sales in {one.currency}", href=f"#{one.currency}"))
            for one in month.sections
        ]
        if month.apart:
            links.append(tag("li", tag("a", "Amounts without an order", href="#apart")))
        parts.append(tag("nav", tag("ul", *links), aria_label="Sections"))
    return tag("header", *parts)


def _sections(month: Month) -> list[Markup]:
    found = [_section(month, section) for section in month.sections]
    if month.apart:
        text = "They are in none of the sections above, as they belong to no sale."
        found.append(
            tag(
                "section",
                tag("h2", "Amounts without an order", id="apart"),
                tag("p", text, class_="quiet"),
                tables.apart(month.apart),
                aria_labelledby="apart",
            )
        )
    if not found:
        months = f"{texts.month(month.first)} or {texts.month(month.previous_first)}"
        found.append(tag("section", tag("p", f"Nothing was sold in {months}.")))
    return found


def _section(month: Month, section: Section) -> Markup:
    notes = []
    if number := section.figures.unconverted_facts:
        entries = "1 entry has" if number == 1 else f"{texts.count(number)} entries have"
        text = f"{entries} no recorded exchange rate to {section.currency}, and are missing here."
        notes.append(_note(text.replace("are missing", "is missing") if number == 1 else text))
    if not section.agree:
        notes.append(
            _note("More was sold while this page was made, so its tables may differ by that.")
        )
    drawn: list[Markup] = []
    if section.areas or section.plans:
        drawn = [
            _chart(month, section),
            tag("h3", "Destinations"),
            tables.groups(section, "Destination", section.areas),
            tag("h3", "Plans"),
            tables.groups(section, "Plan", section.plans),
        ]
    else:
        drawn = [tag("p", f"Nothing was sold in {texts.month(month.first)}.")]
    return tag(
        "section",
        tag("h2", f"Sales in {section.currency}", id=section.currency),
        *notes,
        _tiles(month, section),
        *drawn[:1],
        tag("h3", "Statement"),
        tables.statement(month, section),
        *drawn[1:],
        *([tag("h3", "Days"), tables.days(section)] if len(drawn) > 1 else []),
        aria_labelledby=section.currency,
    )


def _tiles(month: Month, section: Section) -> Markup:
    before = texts.month(month.previous_first)
    tiles = []
    for label, name in TILES:
        changed = tables.change(section, name)
        text = f"{changed} against {before}" if changed != texts.NONE else f"none in {before}"
        if name == "margin" and section.figures.HasField("margin_percent"):
            text = f"{texts.percent(section.figures)} of net; {text}"
        amount = tables.text(section.figures, name)
        negative = " negative" if amount.startswith(texts.MINUS) else ""
        tiles.append(
            tag(
                "div",
                tag("dt", label),
                tag("dd", amount, class_=f"value{negative}"),
                tag("dd", text, class_="change"),
            )
        )
    return tag("dl", *tiles, class_="tiles")


def _chart(month: Month, section: Section) -> Markup:
    shown = [date.fromisoformat(row.period.from_day) for row in section.days]

    def values(name: str) -> list[Decimal]:
        return [tables.value(row.figures, name) for row in section.days]

    series = [Series("Net", "net", values("net")), Series("Margin", "margin", values("margin"))]
    title = f"Net sales and margin by day, in {section.currency}"
    keys = [
        tag(
            "span",
            tag(
                "svg",
                tag("rect", width=10, height=10, class_=one.kind),
                viewBox="0 0 10 10",
                aria_hidden="true",
            ),
            one.name,
            class_="key",
        )
        for one in series
    ]
    best = max(section.days, key=lambda row: tables.value(row.figures, "net"))
    best_day = date.fromisoformat(best.period.from_day)
    label = (
        f"Column chart: {title}, {texts.month(month.first)}. The best day was {texts.day(best_day)} with"
        f" net sales of {tables.text(best.figures, 'net')}. The table of days has all figures."
    )
    drawn = charts.columns(
        label, [str(day.day) for day in shown], list(map(texts.day, shown)), series
    )
    return tag(
        "figure", tag("figcaption", tag("strong", title), *keys), tag("div", drawn, class_="scroll")
    )


def _note(text: str) -> Markup:
    return tag("p", text, class_="note")


def _footer() -> Markup:
    terms = [join(tag("dt", term), tag("dd", text)) for term, text in DEFINITIONS]
    text = (
        "Every figure is a sum over the ledger. Amounts count on their own day: a refund on the day of the"
        " refund, not of the sale. They are converted with the rate that was recorded with their order."
    )
    return tag("footer", tag("p", text), tag("dl", *terms))
