"""The report of one month as lines for terminals, and as one JSON document."""

from typing import Any

from cli.operators import output
from cli.operators.sales import tables, texts
from cli.operators.sales.month import Month, Section

TITLES = ("figure", "this month", "month before", "change")


def lines(month: Month) -> list[str]:
    """Return the figures of each currency, and its destinations."""
    found = [] if month.sections else ["", f"nothing was sold in {texts.month(month.first)}"]
    for section in month.sections:
        found += ["", *_section(month, section)]
    if month.apart:
        rows = [
            (
                row.figures.fees.currency_code,
                *(tables.text(row.figures, name) for name in tables.AMOUNTS),
            )
            for row in month.apart
        ]
        found += ["", "amounts without an order, which are in no figure above"]
        found += output.table(("currency", *tables.AMOUNTS), rows, "")
    if not month.over:
        whole = texts.month(month.previous_first)
        found += [
            "",
            f"{texts.month(month.first)} is not over yet, and is compared with the whole of {whole}",
        ]
    if not month.complete:
        found += ["", "sales of older orders are still being recorded: figures may be too low"]
    return found[1:]


def _section(month: Month, section: Section) -> list[str]:
    names = ("orders", "esims", *tables.AMOUNTS)
    figures: list[tuple[str, ...]] = [
        (
            name,
            tables.text(section.figures, name),
            tables.text(section.previous, name),
            tables.change(section, name),
        )
        for name in names
    ]
    percents = [texts.percent(one) for one in (section.figures, section.previous)]
    figures.append(("margin in percent", *percents, ""))
    areas = [
        (
            texts.group(row),
            *(tables.text(row.figures, name) for name in ("orders", "net", "margin")),
        )
        for row in section.areas
    ]
    missing = section.figures.unconverted_facts
    return [
        f"{texts.month(month.first)} in {section.currency}, days in {month.time_zone}",
        *output.table(TITLES, figures, ""),
        *([f"entries without a rate to {section.currency}: {missing}"] if missing else []),
        *([] if section.agree else ["more was sold meanwhile, so sums may differ"]),
        "",
        *output.table(("destination", "orders", "net", "margin"), areas, "nothing was sold"),
    ]


def document(month: Month) -> list[str]:
    """Return the JSON text of everything that the page shows."""
    sections: list[dict[str, Any]] = [
        {
            "currency": one.currency,
            "figures": one.figures,
            "previous": one.previous,
            "days": one.days,
            "areas": one.areas,
            "plans": one.plans,
        }
        for one in month.sections
    ]
    return output.document(
        {
            "from_day": month.first.isoformat(),
            "to_day": month.last.isoformat(),
            "time_zone": month.time_zone,
            "as_of": month.as_of.isoformat(),
            "complete": month.complete,
            "sections": sections,
            "without_an_order": month.apart,
        }
    )
