"""Random filters of plans, and a plain loop that applies them."""

import json
import random
import unicodedata
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from kit.values import money
from tests.component.catalogue.conftest import Shop


def parsed(path: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads(path.read_text(), parse_float=Decimal)
    return rows


async def read_file(shop: Shop, path: Path | None) -> list[dict[str, Any]]:
    """Read the bundles that the sandbox sells, from the file or page by page over HTTP."""
    if path is not None:
        return parsed(path)
    url, key = shop.settings.provider.base_url, shop.settings.provider.api_key
    found: list[dict[str, Any]] = []
    for page in range(1, 100):
        async with shop.auth.http.get(
            f"{url}/catalogue?page={page}&perPage=500", headers={"X-API-Key": key}
        ) as answer:
            rows = json.loads(await answer.text(), parse_float=Decimal)["bundles"]
        if not rows:
            break
        found.extend(rows)
    return found


def in_loop(
    rows: list[dict[str, Any]],
    *,
    region: str | None = None,
    country: str | None = None,
    duration_days: int | None = None,
    min_price: Decimal | None = None,
    max_price: Decimal | None = None,
    unlimited: bool | None = None,
    bundle_group: str | None = None,
    text: str | None = None,
    min_data_mb: int | None = None,
    countries: Sequence[str] = (),
    min_duration_days: int | None = None,
    max_duration_days: int | None = None,
    single_country: bool | None = None,
) -> set[str]:
    """Apply the filter with a plain loop."""
    found = set()
    for row in rows:
        places = row["countries"]
        if region and not any(c["region"].lower() == region.lower() for c in places):
            continue
        if country and not any(
            country.lower() in (c["iso"].lower(), c["name"].lower()) for c in places
        ):
            continue
        if not {code.upper() for code in countries} <= {c["iso"] for c in places}:
            continue
        if single_country is not None and single_country != (len(places) == 1):
            continue
        if duration_days and row["duration"] != duration_days:
            continue
        if not (min_duration_days or 0) <= row["duration"] <= (max_duration_days or 10**6):
            continue
        if min_price is not None and row["price"] < min_price:
            continue
        if max_price is not None and row["price"] > max_price:
            continue
        if unlimited is not None and row["unlimited"] != unlimited:
            continue
        if bundle_group and bundle_group not in row["groups"]:
            continue
        if min_data_mb and not row["unlimited"] and row["dataAmount"] < min_data_mb:
            continue
        if text:
            regions = [c["region"] for c in places]
            main = [name for name in regions if 2 * regions.count(name) > len(regions)]
            words = [row["name"], row["description"], *main[:1], *(c["name"] for c in places)]
            if not all(word in plain(" ".join(words)) for word in plain(text).split()):
                continue
        found.add(row["name"])
    return found


def plain(text: str) -> str:
    """Strip case and accents: some descriptions say Reunion for Réunion."""
    return unicodedata.normalize("NFD", text.lower()).encode("ascii", "ignore").decode()


def random_filter(rng: random.Random, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Build a filter from values of real rows, so that many filters match something."""
    some = rng.choice(rows)
    place = rng.choice(some["countries"])
    low, high = sorted(Decimal(row["price"]) for row in (some, rng.choice(rows)))
    changes: list[Callable[[str], str]] = [str, str.lower, str.upper]
    change_case = rng.choice(changes)
    choices: dict[str, Callable[[], Any]] = {
        "region": lambda: change_case(place["region"]),
        "country": lambda: change_case(place[rng.choice(["iso", "name"])]),
        "duration_days": lambda: some["duration"],
        "min_price": lambda: low,
        "max_price": lambda: high,
        "unlimited": lambda: rng.random() < 0.5,
        "bundle_group": lambda: some["groups"][0],
        "text": lambda: rng.choice(["esim_1gb", "1GB eSIM", some["description"].split(",")[3]]),
        "countries": lambda: [change_case(c["iso"]) for c in some["countries"][:2]],
        "min_duration_days": lambda: max(1, some["duration"] - rng.randint(0, 3)),
        "max_duration_days": lambda: some["duration"] + rng.randint(0, 3),
        "single_country": lambda: rng.random() < 0.5,
        "min_data_mb": lambda: rng.choice([1, 1000, 5000, 100_000]),
    }
    names = rng.sample(sorted(choices), rng.randint(1, 3))
    return {name: choices[name]() for name in names}


def to_proto(conditions: dict[str, Any]) -> dict[str, Any]:
    return {
        name: money.to_proto(value, "USD") if isinstance(value, Decimal) else value
        for name, value in conditions.items()
    }
