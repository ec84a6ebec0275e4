"""Operations of `esimgo prices` and `esimgo taxes`: price lists, rules, computed prices, taxes."""

import csv
import io
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cli.config.access import Access
from cli.errors import CommandError
from cli.operators import output
from cli.operators.pricing import price_file
from cli.operators.pricing.price_text import (
    lists_text,
    preview_text,
    price_row,
    rules_text,
    step_rows,
)
from cli.operators.service import Service, connect
from gateway.sheets.formulas import neutralized
from kit.errors import Failure
from protos.catalogue.v1 import prices_pb2 as pb
from protos.catalogue.v1.prices_pb2_grpc import PricesServiceStub

# Seconds. Computing the prices of a large catalogue takes half a minute.
TIMEOUT = 120
PAGE = 1_000
NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")
PRICE_TITLES = ("name", "cost", "price", "margin", "margin %", "rule", "notes")
COLUMNS = (
    "plan_id",
    "plan_name",
    "price_list",
    "cost",
    "cost_currency",
    "price",
    "currency",
    "margin",
    "margin_percent",
    "sellable",
    "lifted",
    "rule",
    "rule_version",
    "exchange_rate",
    "tax_rate",
    "includes_tax",
    "valid_from",
)


@dataclass(frozen=True, slots=True)
class Prices:
    """The prices for operators. Each method returns lines to print, and raises CommandError."""

    service: Service
    as_json: bool = False

    async def show(self, version: int | None) -> list[str]:
        """Show lists and rules of a version; as JSON, in the form of a file."""
        found = await self._rule_set(version)
        if self.as_json:
            facts = {
                "version": found.version,
                "note": found.note,
                "createdBy": found.created_by or None,
                "createdAt": output.moment(found, "created_at") or None,
            }
            return output.document(facts | price_file.document(found))
        when = output.moment(found, "created_at")
        head = f"version {found.version}{f', set {when}' if when else ''}"
        note = [f"note: {found.note}"] if found.note else []
        return [head, *note, "", *lists_text(found.lists), "", *rules_text(found.rules)]

    async def version(self) -> int:
        """Return the number of the current version."""
        return (await self._rule_set(None)).version

    async def preview(self, file: Path, worst: int) -> list[str]:
        """Compare the prices that a file would set with the current ones."""
        given = price_file.read(file)
        request = pb.PreviewPricesRequest(lists=given.lists, rules=given.rules, page_size=worst)
        found = await self._call("PreviewPrices", request)
        return output.document(found) if self.as_json else preview_text(found.lists)

    async def set(self, file: Path, expected: int, note: str) -> list[str]:
        """Set the lists and rules of a file in place of the expected version."""
        given = price_file.read(file)
        request = pb.SetPriceRulesRequest(
            lists=given.lists, rules=given.rules, expected_version=expected, note=note
        )
        done = await self._call("SetPriceRules", request)
        if self.as_json:
            facts = {"changed": done.changed, "unsellable": done.unsellable}
            return output.document({"version": done.rule_set.version, **facts})
        return [
            f"version {done.rule_set.version} is set: {done.changed} prices changed,"
            f" {done.unsellable} plans can't be sold"
        ]

    async def explain(self, plan: str, currency: str) -> list[str]:
        """Show how the price of a plan came about."""
        request = pb.ExplainPriceRequest(plan=plan, currency=currency)
        found = await self._call("ExplainPrice", request)
        if self.as_json:
            return output.document(found)
        price, unit = found.price, found.price.price.currency_code
        facts = [
            ("price", output.amount(price.price) + ("" if price.sellable else ", not sellable")),
            ("net price", f"{found.net_price} {unit}"),
            ("payment fee", f"{found.payment_fee} {unit}"),
            ("cost", f"{found.converted_cost} {unit}, with exchange rate buffer"),
            ("margin", f"{price.margin} {unit}, {price.margin_percent} %"),
            ("least price", f"{found.least_price} {unit}" if found.least_price else "none"),
        ]
        steps = output.table(("step", "before", "after", "", "explanation"), step_rows(found), "")
        return [price.plan_name, *steps, "", *(f"{name:<12} {value}" for name, value in facts)]

    async def export(self, currency: str, form: str) -> AsyncIterator[str]:
        """Yield all prices of a list as text: CSV with a header, or one JSON array."""
        if form == "json":
            rows = [row async for row in self._rows(currency)]
            yield json.dumps(rows, indent=2, ensure_ascii=False) + "\n"
            return
        yield _line(COLUMNS)
        async for row in self._rows(currency):
            yield _line(["" if row[name] is None else row[name] for name in COLUMNS])

    async def history(self, plan: str, currency: str, limit: int) -> list[str]:
        """List the prices that a plan has had, the newest first."""
        request = pb.ListPriceHistoryRequest(
            plan=plan, currency=currency, page_size=min(limit, 500)
        )
        found = await self._pages("ListPriceHistory", request, limit)
        if self.as_json:
            return output.document(found)
        rows = [
            (
                output.moment(one, "valid_from"),
                output.moment(one, "valid_to") or "now",
                output.amount(one.price),
                output.amount(one.cost),
                one.margin,
                one.rule,
                str(one.rule_version),
            )
            for one in found
        ]
        titles = ("from", "to", "price", "cost", "margin", "rule", "version")
        return output.table(titles, rows, "no price yet")

    async def unsellable(self, currency: str, limit: int) -> list[str]:
        """List the plans that are off sale because no allowed price keeps the minimum margin."""
        request = pb.ListPlanPricesRequest(
            currency=currency, only_unsellable=True, page_size=min(limit, PAGE)
        )
        found = await self._pages("ListPlanPrices", request, limit)
        if self.as_json:
            return output.document(found)
        return output.table(PRICE_TITLES, map(price_row, found), "every plan on sale can be sold")

    async def taxes(self) -> list[str]:
        """List the tax rates by country."""
        return self._tax_rates((await self._call("ListTaxRates", pb.ListTaxRatesRequest())).rates)

    async def set_tax(self, country: str, percent: str) -> list[str]:
        """Set the tax rate of a country; an empty one removes the country."""
        rate = pb.TaxRate(country=country.upper(), percent=percent)
        done = await self._call("SetTaxRates", pb.SetTaxRatesRequest(rates=[rate]))
        if self.as_json:
            return output.document(done)
        what = f"is {percent} %" if percent else "is removed"
        return [f"the tax rate of {rate.country} {what}; {done.changed} prices changed"]

    def _tax_rates(self, rates: Any) -> list[str]:
        if self.as_json:
            return output.document(list(rates))
        rows = [
            (one.country, f"{one.percent} %", output.moment(one, "updated_at")) for one in rates
        ]
        return output.table(("country", "rate", "changed"), rows, "no tax rate")

    async def _rule_set(self, version: int | None) -> pb.PriceRuleSet:
        request = pb.GetPriceRulesRequest(version=version)
        found: pb.PriceRuleSet = (await self._call("GetPriceRules", request)).rule_set
        return found

    async def _rows(self, currency: str) -> AsyncIterator[dict[str, Any]]:
        request = pb.ListPlanPricesRequest(currency=currency, page_size=PAGE)
        while True:
            page = await self._call("ListPlanPrices", request)
            for one in page.prices:
                yield _flat(one)
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    async def _pages(self, method: str, request: Any, limit: int) -> list[pb.PlanPrice]:
        found: list[pb.PlanPrice] = []
        while True:
            page = await self._call(method, request)
            found += page.prices
            request.page_token = page.next_page_token
            if len(found) >= limit or not page.next_page_token:
                return found[:limit]

    async def _call(self, method: str, request: Any) -> Any:
        """Call the service; errors name fields as they are named in files."""
        try:
            return await self.service.call(method, request)
        except CommandError as error:
            failure = error.__cause__
            if not isinstance(failure, Failure) or not failure.fields:
                raise
            lines = [f"{price_file.path_of(path)}: {text}" for path, text in failure.fields.items()]
            if failure.omitted:
                lines.append(f"and {failure.omitted} more")
            raise CommandError("\n  ".join(["the request was refused:", *lines])) from failure


@asynccontextmanager
async def open_prices(access: Access, token: str | None, *, as_json: bool) -> AsyncIterator[Prices]:
    """Connect with a token of the finance staff, or else with the service role key."""
    async with connect(
        access, "catalogue", PricesServiceStub, token=token, timeout=TIMEOUT
    ) as found:
        yield Prices(found, as_json)


def _flat(price: pb.PlanPrice) -> dict[str, Any]:
    """Return a price as COLUMNS: amounts as exact texts, booleans, and null for what is not set."""
    document = json.loads("\n".join(output.document(price)))
    flat = document | {
        "cost": document["cost"]["amount"],
        "cost_currency": document["cost"]["currency"],
        "price": document["price"]["amount"],
        "currency": document["price"]["currency"],
    }
    return {name: flat[name] for name in COLUMNS}


def _line(values: Any) -> str:
    into = io.StringIO()
    csv.writer(into, lineterminator="\n").writerow(map(_cell, values))
    return into.getvalue()


def _cell(value: Any) -> Any:
    if isinstance(value, bool):
        return str(value).lower()
    # Names of rules and plans must not be executed by a spreadsheet program; a negative margin is a number.
    return neutralized(value) if isinstance(value, str) and not NUMBER.fullmatch(value) else value
