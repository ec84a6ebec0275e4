"""How `esimgo prices` shows lists, rules, previews and prices to people."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from cli.operators import output
from cli.operators.pricing import price_file
from protos.catalogue.v1 import prices_pb2 as pb


def lists_text(lists: Sequence[pb.PriceList]) -> list[str]:
    titles = ("list", "currency", "tax", "rounding", "min. margin", "payment fee", "max. markup")
    rows = [
        (
            one.id,
            one.currency,
            _tax(one),
            _name(pb.Rounding.Name(one.rounding), "ROUNDING_", "NONE"),
            f"{one.min_margin or 0} + {one.min_margin_percent or 0} %"
            if one.min_margin_percent not in ("", "0")
            else one.min_margin or "0",
            f"{one.payment_fee_percent or 0} % + {one.payment_fee or 0}",
            f"{one.max_markup_percent} %" if one.max_markup_percent else "any",
        )
        for one in lists
    ]
    return output.table(titles, rows, "no price lists: plans are sold at their cost")


def rules_text(rules: Sequence[pb.PriceRule]) -> list[str]:
    titles = ("", "rule", "list", "makes", "of plans with")
    rows = [
        (str(place), one.name, one.price_list or "all", _effect(one), _conditions(one.match))
        for place, one in enumerate(rules, start=1)
    ]
    return output.table(titles, rows, "no rules: prices start at the cost")


def preview_text(lists: Iterable[pb.PriceListPreview]) -> list[str]:
    return [line for one in lists for line in _preview(one)] or ["no price lists"]


def _preview(found: pb.PriceListPreview) -> Iterator[str]:
    yield (
        f"{found.price_list} ({found.currency}): {found.plan_count} plans, {found.raised} raised,"
        f" {found.lowered} lowered, {found.unchanged} unchanged, {found.added} new"
    )
    yield (
        f"  {found.lifted} at the least price instead of that of their rule, {found.unsellable}"
        " not sellable"
    )
    if found.margins:
        text = ", ".join(f"from {one.from_percent} %: {one.plan_count}" for one in found.margins)
        yield f"  plans by margin: {text}"
    if found.worst:
        yield "  lowest margins:"
        titles = ("name", "cost", "price", "margin", "margin %", "rule", "notes")
        yield from (f"    {line}" for line in output.table(titles, map(price_row, found.worst), ""))


def price_row(price: pb.PlanPrice) -> tuple[str, ...]:
    """Return a row of a table: name, cost, price, margin, its percentage, rule, notes."""
    notes = [
        text
        for text, applies in (("least price", price.lifted), ("not sellable", not price.sellable))
        if applies
    ]
    return (
        price.plan_name,
        output.amount(price.cost),
        output.amount(price.price),
        price.margin,
        price.margin_percent,
        price.rule or "none",
        ", ".join(notes),
    )


def step_rows(found: pb.ExplainPriceResponse) -> Iterator[tuple[str, ...]]:
    for step in found.steps:
        kind = _name(pb.PriceStepKind.Name(step.kind), "PRICE_STEP_KIND_", "").lower()
        yield kind, step.before, step.after, step.currency, step.description


def _tax(one: pb.PriceList) -> str:
    mode = "added" if one.tax_mode == pb.TAX_MODE_EXCLUSIVE else "included"
    return f"of {one.tax_country}, {mode}" if one.tax_country else "none"


def _effect(rule: pb.PriceRule) -> str:
    match rule.kind:
        case pb.PRICE_RULE_KIND_MARKUP_PERCENT:
            return f"cost + {rule.value} %"
        case pb.PRICE_RULE_KIND_MARKUP_FIXED:
            return f"cost + {rule.value}"
        case pb.PRICE_RULE_KIND_TARGET_MARGIN:
            return f"{rule.value} % margin"
        case pb.PRICE_RULE_KIND_FIXED_PRICE:
            return f"{rule.value}"
        case _:
            return f"cost + matrix of {len(rule.matrix)} cells"


def _conditions(match: pb.PriceRuleMatch) -> str:
    return (
        ", ".join(
            f"{price_file.name_of(field)} {_text(value)}" for field, value in match.ListFields()
        )
        or "any"
    )


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int | str) else " or ".join(value)


def _name(name: str, prefix: str, unspecified: str) -> str:
    short = name.removeprefix(prefix)
    return unspecified if short == "UNSPECIFIED" else short
