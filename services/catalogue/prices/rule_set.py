"""A version of all price lists and rules: from its messages or its row, checked as a whole."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from google.protobuf import json_format

from kit.values import plain_text
from kit.values.checks import Checks
from protos.catalogue.v1 import prices_pb2 as pb
from services.catalogue.prices.conditions import ANYTHING, Known
from services.catalogue.prices.price_list import PriceList, price_list
from services.catalogue.prices.rules import Rule, rule

MAX_LISTS = 10
MAX_RULES = 1_000


@dataclass(frozen=True, slots=True)
class RuleSet:
    """Price lists, the default first, and rules, by priority; version 0 has none."""

    version: int = 0
    lists: tuple[PriceList, ...] = ()
    rules: tuple[Rule, ...] = ()

    def list_of(self, currency: str) -> PriceList | None:
        """Return the list with a currency, by default the first one; None if there is none."""
        return next((one for one in self.lists if currency in ("", one.currency)), None)


def parse(
    lists: Sequence[pb.PriceList],
    rules: Sequence[pb.PriceRule],
    *,
    version: int = 0,
    known: Known = ANYTHING,
    checks: Checks | None = None,
) -> RuleSet:
    """Return the rule set; raises Failure INVALID, which names every bad field.

    With `checks`, problems are added to it instead. `known` is what the rules may name. A stored version,
    which was checked when it was set, is parsed with ANYTHING: what has changed in the world since, such as a
    currency that is no longer in use, must not stop all purchases.
    """
    own, stored = checks or Checks(), known is ANYTHING
    if len(lists) > MAX_LISTS:
        own.fail("lists", f"must contain at most {MAX_LISTS} price lists, not {len(lists)}")
        lists = lists[:MAX_LISTS]
    if len(rules) > MAX_RULES:
        own.fail("rules", f"must contain at most {MAX_RULES} rules, not {len(rules)}")
        rules = rules[:MAX_RULES]
    if rules and not lists:
        own.fail("lists", "must contain a price list, because there are rules")
    made = [price_list(own, f"lists[{i}]", given, stored=stored) for i, given in enumerate(lists)]
    _unique(own, "lists", "id", (one.id for one in made))
    _unique(own, "lists", "currency", (one.currency for one in made))
    by_id = {one.id: one for one in made}
    found = [rule(own, f"rules[{i}]", given, by_id, known) for i, given in enumerate(rules)]
    _unique(own, "rules", "name", (one.name for one in found))
    if checks is None:
        own.done()
    return RuleSet(version, tuple(made), tuple(found))


def _unique(checks: Checks, of: str, field: str, values: Iterable[str]) -> None:
    seen: dict[str, int] = {}
    for position, value in enumerate(values):
        first = seen.setdefault(value, position)
        if first != position:
            checks.fail(
                f"{of}[{position}].{field}",
                f"must not be the same as that of {of}[{first}], {plain_text.quoted(value)}",
            )


def to_json(messages: Iterable[pb.PriceList] | Iterable[pb.PriceRule]) -> list[dict[str, Any]]:
    """Return messages as the table stores them."""
    return [
        json_format.MessageToDict(message, preserving_proto_field_name=True) for message in messages
    ]


def lists_from_json(stored: Iterable[dict[str, Any]]) -> list[pb.PriceList]:
    return _from_json(stored, pb.PriceList)


def rules_from_json(stored: Iterable[dict[str, Any]]) -> list[pb.PriceRule]:
    return _from_json(stored, pb.PriceRule)


def _from_json(stored: Iterable[dict[str, Any]], make: Callable[[], Any]) -> list[Any]:
    # A process of an older release must be able to read what a newer one stored.
    return [json_format.ParseDict(one, make(), ignore_unknown_fields=True) for one in stored]
