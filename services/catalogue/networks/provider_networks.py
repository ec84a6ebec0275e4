"""Parses the provider's networks; records that can't be used are skipped."""

import re
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Any

from kit.values import plain_text
from services.catalogue.provider_bundle import bad_answer

# Characters; the longest known names have some 40.
MAX_NAME = 100
# Of one country; the largest known has 10.
MAX_NETWORKS = 200
MAX_SPEEDS = 20
MCC = re.compile(r"[0-9]{3}")
MNC = re.compile(r"[0-9]{2,3}")


@dataclass(frozen=True, slots=True)
class Network:
    """A mobile network; `mcc` and `mnc` are empty if the provider reports none."""

    name: str
    brand: str
    mcc: str
    mnc: str
    speeds: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"speeds": list(self.speeds)}


@dataclass(frozen=True, slots=True)
class Reading:
    """The networks by the country's code, and the problems of the records that can't be used.

    `complete` is false if a country may be missing only because its record can't be used.
    """

    networks: dict[str, tuple[Network, ...]]
    problems: list[str]
    complete: bool


def read_networks(answer: Any, code_of: Callable[[str], str | None]) -> Reading:
    """Read the answer to GET /networks; `code_of` returns the code of a country's name or code.

    Raises Failure UNAVAILABLE (PROVIDER_BAD_ANSWER) if it has no usable country.
    """
    rows = answer.get("countryNetworks") if isinstance(answer, dict) else None
    if not isinstance(rows, list):
        raise bad_answer("the networks are not a list of countries")
    found: dict[str, list[Network]] = {}
    problems: list[str] = []
    complete = True
    for row in rows:
        name = _text(row.get("name")) if isinstance(row, dict) else ""
        code = code_of(name) if name else None
        networks = row.get("networks") if isinstance(row, dict) else None
        if code is None or not isinstance(networks, list) or len(networks) > MAX_NETWORKS:
            complete = False
            problems.append(_problem(name, code))
            continue
        read = [_network(item) for item in networks]
        if None in read:
            problems.append(f"{read.count(None)} networks of {name} have no name")
        found.setdefault(code, []).extend(one for one in read if one is not None)
    if not found:
        raise bad_answer(f"none of the {len(rows)} countries with networks can be used")
    networks = {code: tuple(dict.fromkeys(of)) for code, of in found.items()}
    return Reading(networks, problems, complete)


def _problem(name: str, code: str | None) -> str:
    if not name:
        return "a country has no name"
    return f"{name} is no known country" if code is None else f"{name} has no list of networks"


def _network(item: Any) -> Network | None:
    """Return one network; None without any name."""
    if not isinstance(item, dict):
        return None
    name, brand = _text(item.get("name")), _text(item.get("brandName"))
    if not name and not brand:
        return None
    return Network(
        name=name or brand,
        brand=brand or name,
        mcc=_digits(item.get("mcc"), MCC),
        mnc=_digits(item.get("mnc"), MNC),
        speeds=_speeds(item.get("speed") or item.get("speeds")),
    )


def _speeds(value: Any) -> tuple[str, ...]:
    items: Iterable[Any] = value if isinstance(value, list) else [value]
    texts = dict.fromkeys(text for item in items if (text := _text(item)))
    return tuple(texts)[:MAX_SPEEDS]


def _digits(value: Any, shape: re.Pattern[str]) -> str:
    text = _text(value)
    return text if shape.fullmatch(text) else ""


def _text(value: Any) -> str:
    """Return trimmed text; empty for anything else, for too long text and for control characters."""
    if not isinstance(value, str) or len(value) > MAX_NAME:
        return ""
    text = plain_text.storable(value).strip()
    return text if plain_text.is_plain(text) else ""
