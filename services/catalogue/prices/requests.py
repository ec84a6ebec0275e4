"""Checks requests to the prices service; a Failure names every bad field of a request."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

from google.protobuf.message import Message

from kit.values import page_token, plain_text
from kit.values.checks import Checks
from protos.catalogue.v1 import prices_pb2 as pb
from providers.esim_go.countries import is_country
from services.catalogue.prices import price_list, rule_set
from services.catalogue.prices.conditions import Known, named_plan
from services.catalogue.prices.rule_set import RuleSet

DEFAULT_VERSIONS = 20
MAX_VERSIONS = 100
DEFAULT_WORST = 50
MAX_WORST = 200
DEFAULT_HISTORY = 50
MAX_HISTORY = 500
DEFAULT_PRICES = 100
MAX_PRICES = 1_000
MAX_NOTE = 500
MAX_TAX_RATES = 300
# Characters of the name of a bundle.
MAX_QUOTED = 1000
MAX_PLAN = 200
# A list of the past may have had a currency that is not in use any more.
CURRENCY = re.compile(r"[A-Z]{3}")
# Where the first page starts: above every version, and later than every price.
HIGHEST = 2**63 - 1
LATEST = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Change:
    """A checked request to replace the rules."""

    rules: RuleSet
    expected: int
    note: str


def change(request: pb.SetPriceRulesRequest, known: Known) -> Change:
    """Check new rules; raises Failure INVALID."""
    checks = Checks()
    note = checks.free_text("note", request.note, MAX_NOTE)
    if not note:
        checks.fail("note", "must not be empty: say what changes, for those who read the history")
    if request.expected_version < 0:
        checks.fail("expected_version", f"must not be negative, as {request.expected_version} is")
    rules = rule_set.parse(request.lists, request.rules, known=known, checks=checks)
    checks.done()
    return Change(rules, request.expected_version, note)


def preview(request: pb.PreviewPricesRequest, known: Known) -> tuple[RuleSet, int]:
    """Return the rules, and how many plans to name for each list; raises Failure INVALID."""
    checks = Checks()
    worst = checks.page_size(request.page_size, DEFAULT_WORST, MAX_WORST)
    rules = rule_set.parse(request.lists, request.rules, known=known, checks=checks)
    checks.done()
    return rules, worst


def plans_of(rules: Sequence[pb.PriceRule]) -> list[UUID]:
    """Return the ids of the plans that rules name."""
    return list({named_plan(plan) for rule in rules for plan in rule.match.plans})


def plan(request: pb.ExplainPriceRequest) -> UUID:
    """Return the plan's id; raises Failure INVALID."""
    checks = Checks()
    found = _plan(checks, request.plan)
    checks.done()
    return found


def version(request: pb.GetPriceRulesRequest) -> int | None:
    """Return the version, or None for the current one; raises Failure INVALID."""
    if not request.HasField("version"):
        return None
    checks = Checks()
    checks.between("version", request.version, 0, HIGHEST)
    checks.done()
    return request.version


def versions(request: pb.ListPriceRuleVersionsRequest) -> tuple[int, int]:
    """Return the version before which to list, and the size of a page; raises Failure INVALID."""
    checks = Checks()
    size = checks.page_size(request.page_size, DEFAULT_VERSIONS, MAX_VERSIONS)
    checks.done()
    before = page_token.read_number(request, request.page_token)
    return HIGHEST if before is None else before, size


def history(request: pb.ListPriceHistoryRequest) -> tuple[UUID, datetime, int]:
    """Return the plan, the time before which to list, and the size of a page; raises Failure INVALID."""
    checks = Checks()
    found = _plan(checks, request.plan)
    if request.currency and not CURRENCY.fullmatch(request.currency):
        checks.fail("currency", "must be an ISO 4217 code in upper case, such as EUR")
    size = checks.page_size(request.page_size, DEFAULT_HISTORY, MAX_HISTORY)
    checks.done()
    position = page_token.read_position(request, request.page_token)
    return found, LATEST if position is None else position[0], size


def prices(request: pb.ListPlanPricesRequest) -> tuple[str, int]:
    """Return the name after which to list, and the size of a page; raises Failure INVALID."""
    checks = Checks()
    size = checks.page_size(request.page_size, DEFAULT_PRICES, MAX_PRICES)
    checks.done()
    key = page_token.read(request, request.page_token, 1)
    return "" if key is None else key[0], size


def next_page(request: Message, key: str) -> str:
    return page_token.write(request, [key])


def tax_rates(request: pb.SetTaxRatesRequest) -> dict[str, Decimal | None]:
    """Return percentages by country, None to remove the country; raises Failure INVALID."""
    checks = Checks()
    if not 1 <= len(request.rates) <= MAX_TAX_RATES:
        count = len(request.rates)
        checks.fail("rates", f"must contain 1 to {MAX_TAX_RATES} tax rates, not {count}")
    found: dict[str, Decimal | None] = {}
    for position, given in enumerate(request.rates[:MAX_TAX_RATES]):
        at = f"rates[{position}]"
        if not is_country(given.country):
            shown = plain_text.quoted(given.country)
            text = f'must be an ISO 3166-1 alpha-2 code such as "DE", not {shown}'
            checks.fail(f"{at}.country", text)
        elif given.country in found:
            checks.fail(f"{at}.country", f"must not be repeated, as {given.country} is")
        found[given.country] = (
            checks.decimal(f"{at}.percent", given.percent, 0, 100, price_list.PLACES)
            if given.percent
            else None
        )
    checks.done()
    return found


def _plan(checks: Checks, text: str) -> UUID:
    if not checks.free_text("plan", text, MAX_PLAN):
        checks.fail("plan", "must be the id or the bundle name of a plan")
    return named_plan(text)
