"""Conditions of pricing rules: which plans a rule matches, and which names it may use."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from google.protobuf.message import Message

from kit.values import plain_text
from kit.values.checks import Checks
from kit.values.plain_text import fold
from protos.catalogue.v1 import prices_pb2 as pb
from providers.esim_go.countries import country_key, is_country
from services.catalogue.plan import plan_id
from services.catalogue.provider_bundle import MAX_AMOUNT as MAX_MB
from services.catalogue.provider_bundle import MAX_DAYS

# Characters of the name of a country, region, group or plan.
MAX_NAME = 200
# Items of one condition.
MAX_ITEMS = 1_000
PROVIDERS = ("esim-go",)


@dataclass(frozen=True, slots=True)
class Known:
    """The names that rules may use, in addition to the countries of ISO 3166-1.

    None allows every name, because there is no catalogue yet. `countries` are codes and names, `regions`
    are names, both folded. `plans` are the existing ones of the plans that the rules name.
    """

    countries: frozenset[str] = frozenset()
    regions: frozenset[str] | None = None
    groups: frozenset[str] | None = None
    plans: frozenset[UUID] | None = None


# For parsing a stored version, which was checked when it was set.
ANYTHING = Known()


@dataclass(frozen=True, slots=True)
class Match:
    """Conditions that must all be met; None and empty match every plan.

    `countries` are keys of `country_key`, and `regions` are folded.
    """

    countries: frozenset[str] = frozenset()
    regions: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()
    min_days: int | None = None
    max_days: int | None = None
    min_mb: int | None = None
    max_mb: int | None = None
    unlimited: bool | None = None
    plans: frozenset[UUID] = frozenset()


class RuleChecks:
    """Adds the problems of one rule, named by its position and its name."""

    def __init__(self, checks: Checks, at: str, name: str) -> None:
        self._checks = checks
        self._at = at
        self._of = f" (rule {plain_text.quoted(name)})"

    def fail(self, field: str, text: str) -> None:
        self._checks.fail(f"{self._at}.{field}", text + self._of)

    def decimal(self, field: str, text: str, high: Decimal | int, places: int) -> Decimal:
        """Parse a decimal number from 0, as Checks.decimal does."""
        own = Checks()
        value = own.decimal(field, text, 0, high, places)
        for name, problem in own.problems.items():
            self.fail(name, problem)
        return value


def match(mine: RuleChecks, given: pb.PriceRuleMatch, known: Known) -> Match:
    message: Message = given  # its HasField takes any name

    def limit(field: str, most: int) -> int | None:
        if not message.HasField(field):
            return None
        value: int = getattr(given, field)
        if not 0 <= value <= most:
            mine.fail(f"match.{field}", f"must be from 0 to {most}, not {value}")
        return value

    for field in ("countries", "regions", "groups", "plans"):
        count = len(getattr(given, field))
        if count > MAX_ITEMS:
            mine.fail(f"match.{field}", f"must contain at most {MAX_ITEMS} items, not {count}")
            return Match()
    if given.provider not in ("", *PROVIDERS):
        shown = plain_text.quoted(given.provider)
        mine.fail("match.provider", f"must be empty or {' or '.join(PROVIDERS)}, not {shown}")
    found = Match(
        countries=_countries(mine, given.countries, known),
        regions=_names(mine, "regions", given.regions, known.regions, fold),
        groups=_names(mine, "groups", given.groups, known.groups),
        min_days=limit("min_duration_days", MAX_DAYS),
        max_days=limit("max_duration_days", MAX_DAYS),
        min_mb=limit("min_data_mb", MAX_MB),
        max_mb=limit("max_data_mb", MAX_MB),
        unlimited=given.unlimited if given.HasField("unlimited") else None,
        plans=_plans(mine, given.plans, known),
    )
    for field, low, high in (
        ("max_duration_days", found.min_days, found.max_days),
        ("max_data_mb", found.min_mb, found.max_mb),
    ):
        if low is not None and high is not None and low > high:
            mine.fail(f"match.{field}", f"must not be lower than the minimum, which is {low}")
    return found


def _countries(mine: RuleChecks, names: Iterable[str], known: Known) -> frozenset[str]:
    found = set()
    for position, name in enumerate(names):
        key = country_key(name[:MAX_NAME])
        if not is_country(key.upper()) and key not in known.countries and known is not ANYTHING:
            shown = plain_text.quoted(name)
            mine.fail(
                f"match.countries[{position}]",
                f'must be the ISO code or English name of a country, such as "FR", not {shown}',
            )
        found.add(key)
    return frozenset(found)


def _names(
    mine: RuleChecks,
    field: str,
    names: Iterable[str],
    known: frozenset[str] | None,
    key: Callable[[str], str] = str,
) -> frozenset[str]:
    found = set()
    for position, name in enumerate(names):
        folded = key(name[:MAX_NAME])
        if not folded or (known is not None and folded not in known):
            text = unknown_name(name, field.removesuffix("s"), known)
            mine.fail(f"match.{field}[{position}]", text)
        found.add(folded)
    return frozenset(found)


def unknown_name(name: str, what: str, known: Iterable[str] | None) -> str:
    """Return the error text for a name that the catalogue does not have; it lists some that it has."""
    names = ", ".join(plain_text.quoted(one) for one in sorted(known or ())[:20])
    hint = f"; the catalogue has {names}" if names else ""
    return f"must be a {what} of the catalogue, not {plain_text.quoted(name)}{hint}"


def _plans(mine: RuleChecks, names: Iterable[str], known: Known) -> frozenset[UUID]:
    found = set()
    for position, name in enumerate(names):
        plan = named_plan(name)
        if known.plans is not None and plan not in known.plans:
            shown = plain_text.quoted(name)
            text = f"must be the id or bundle name of a plan of the catalogue, not {shown}"
            mine.fail(f"match.plans[{position}]", text)
        found.add(plan)
    return frozenset(found)


def named_plan(text: str) -> UUID:
    """Return the id of a plan that is given by id or by bundle name."""
    try:
        return UUID(text)
    except ValueError:
        return plan_id(text[:MAX_NAME])
