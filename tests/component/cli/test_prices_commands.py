"""`esimgo prices` and `esimgo taxes`, run by a shell against the whole platform."""

import csv
import io
import json
import re
from collections.abc import AsyncIterator
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.fixtures.local.command import Run, esimgo, printed, read
from tests.fixtures.platform import BUNDLE, Platform
from tests.fixtures.sandboxes import ProviderSandbox, run_provider_sandbox

SHOP: dict[str, Any] = {
    "priceLists": [
        {
            "id": "usd",
            "currency": "USD",
            "rounding": "TO_99",
            "minMargin": "0.5",
            "taxCountry": "DE",
        }
    ],
    "rules": [
        {
            "name": "Britain",
            "match": {"countries": ["GB"]},
            "kind": "MARKUP_PERCENT",
            "value": 40,
        },
        {"name": "rest", "kind": "TARGET_MARGIN", "value": "30"},
    ],
}


@pytest.fixture
async def provider(http: aiohttp.ClientSession) -> AsyncIterator[ProviderSandbox]:
    """The sandbox with all of its bundles, which are several pages of an export."""
    async with run_provider_sandbox(http) as running:
        yield running


@pytest.fixture
async def run(platform: Platform) -> Run:
    """Run a command with the session of the finance staff."""
    return partial(
        esimgo,
        SUPABASE_SERVICE_ROLE_KEY=platform.auth.service_role_key,
        CATALOGUE_ADDRESS=platform.gateway_settings.catalogue_address,
        ESIMGO_TOKEN=await platform.auth.token("finance@example.com", role="finance"),
    )


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write(tmp_path, SHOP)


def write(folder: Path, content: Any) -> Path:
    path = folder / "prices.json"
    path.write_text(json.dumps(content))
    return path


async def refused(run: Run, *arguments: str) -> str:
    done = await run(*arguments)
    assert done.returncode == 1, done.stdout
    return done.stderr


async def test_prices_are_previewed_set_shown_explained_and_exported(
    run: Run, file: Path, platform: Platform
) -> None:
    assert "plans are sold at their cost" in await printed(run, "prices", "show")
    assert "the tax rate of DE is 19 %; 0 prices" in await printed(run, "taxes", "set", "de", "19")
    assert [(one["country"], one["percent"]) for one in await read(run, "taxes", "show")] == [
        ("DE", "19")
    ]

    preview = await printed(run, "prices", "preview", str(file), "--worst", "1")
    assert preview.startswith("usd (USD): ")
    assert "lowest margins:" in preview
    assert "version 0" in await printed(run, "prices", "show")

    done = await printed(run, "prices", "set", str(file), "--note", "first", "--yes")
    assert "version 1 is set: " in done
    shown = await printed(run, "prices", "show")
    assert "version 1, set " in shown
    assert "note: first" in shown
    assert "of DE, included" in shown
    assert "countries GB" in shown

    explained = await printed(run, "prices", "explain", BUNDLE)
    assert [line.split()[0] for line in explained.splitlines()[2:4]] == ["rule", "tax"]
    steps = await read(run, "prices", "explain", BUNDLE, "--currency", "USD")
    assert steps["steps"][0]["before"] == steps["price"]["cost"]["amount"]
    price = steps["price"]["price"]["amount"]
    assert price.endswith("99")

    rows = list(csv.DictReader(io.StringIO(await printed(run, "prices", "export"))))
    as_json = json.loads(await printed(run, "prices", "export", "--format", "json"))
    assert len(rows) == len(as_json) > 1_000
    assert [row["plan_name"] for row in rows] == [row["plan_name"] for row in as_json]
    (mine,) = [row for row in rows if row["plan_name"] == BUNDLE]
    assert (mine["price"], mine["currency"], mine["rule"]) == (price, "USD", "Britain")
    assert mine["sellable"] == "true"
    assert all(
        Decimal(row["margin"]) >= Decimal("0.5") for row in rows if row["sellable"] == "true"
    )
    query = "query($text: String!) { dataPlans(filter: {text: $text}) { priceExact } }"
    plans = await platform.client.ask(query, text=BUNDLE)
    assert plans.data["dataPlans"][0]["priceExact"] == price


async def test_a_spreadsheet_program_executes_no_name_of_an_exported_price(
    run: Run, tmp_path: Path
) -> None:
    usd = {"id": "usd", "currency": "USD", "rounding": "NONE"}
    summer = {"name": "-20 % summer", "kind": "MARKUP_PERCENT", "value": "20"}
    file = write(tmp_path, {"priceLists": [usd], "rules": [summer]})
    await printed(run, "prices", "set", str(file), "--yes")
    rows = list(csv.DictReader(io.StringIO(await printed(run, "prices", "export"))))
    assert {row["rule"] for row in rows} == {"'-20 % summer"}
    [first, *_] = json.loads(await printed(run, "prices", "export", "--format", "json"))
    assert first["rule"] == "-20 % summer"


async def test_what_is_shown_can_be_edited_and_set_again(
    run: Run, file: Path, tmp_path: Path
) -> None:
    await printed(run, "taxes", "set", "DE", "19")
    first = await read(run, "prices", "set", str(file), "--yes")
    assert first["version"] == 1
    shown = await read(run, "prices", "show")
    shown["rules"][0]["value"] = "200"
    again = await read(run, "prices", "set", str(write(tmp_path, shown)), "--yes")
    assert again["version"] == 2
    assert 0 < again["changed"] < first["changed"]
    assert (await read(run, "prices", "show", "--version", "1"))["rules"][0]["value"] == "40"
    changes = (await printed(run, "prices", "history", BUNDLE)).splitlines()
    assert [line.split()[-1] for line in changes] == ["version", "2", "1"]
    assert [line.split()[1] for line in changes[:2]] == ["to", "now"]


async def test_plans_that_no_price_satisfies_are_listed(run: Run, tmp_path: Path) -> None:
    assert await printed(run, "taxes", "show") == "no tax rate\n"
    strict = SHOP["priceLists"][0] | {"taxCountry": None, "maxMarkupPercent": "41"}
    rules = {"priceLists": [strict], "rules": SHOP["rules"][:1]}
    done = await printed(run, "prices", "set", str(write(tmp_path, rules)), "--yes")
    assert " 0 plans can't be sold" not in done
    listed = await printed(run, "prices", "unsellable", "--most", "5")
    assert len(listed.splitlines()) == 6
    assert "not sellable" in listed.splitlines()[1]
    found = await read(run, "prices", "unsellable", "--most", "3")
    assert [one["sellable"] for one in found] == [False] * 3


async def test_refusals_change_nothing_and_name_what_is_wrong(
    run: Run, file: Path, tmp_path: Path, platform: Platform
) -> None:
    wrong = tmp_path / "wrong.json"
    wrong.write_text('{\n"rules": [}')
    assert "wrong.json, line 2, column 11: not valid JSON" in await refused(
        run, "prices", "set", str(wrong), "--yes"
    )
    wrong.write_text(json.dumps({"rules": [{"name": "a", "kinds": "MATRIX"}]}))
    assert "rules[0].kinds is unknown; did you mean kind?" in await refused(
        run, "prices", "preview", str(wrong)
    )
    minus = {"priceLists": [{"id": "usd", "currency": "USD", "minMargin": "-1"}], "rules": []}
    assert "priceLists[0].minMargin: must" in await refused(
        run, "prices", "preview", str(write(tmp_path, minus))
    )
    rule = SHOP["rules"][0] | {"value": "-1"}
    many = await refused(
        run, "prices", "preview", str(write(tmp_path, SHOP | {"rules": [rule] * 200}))
    )
    assert "the request was refused:\n  rules[0].value: must" in many
    assert re.search(r"\n  and 3[0-9]{2} more$", many.rstrip())
    cheap = {
        "priceLists": [{"id": "usd", "currency": "USD"}],
        "rules": [
            {
                "name": "gift",
                "kind": "FIXED_PRICE",
                "value": "0.01",
                "match": {"plans": [BUNDLE]},
            }
        ],
    }
    loss = await refused(run, "prices", "set", str(write(tmp_path, cheap)), "--yes")
    assert "SELLS_AT_A_LOSS" in loss
    assert BUNDLE in loss
    assert "NO_PRICE_LISTS" in await refused(run, "prices", "explain", BUNDLE)
    assert (await read(run, "prices", "show"))["version"] == 0
    customer = await platform.auth.token("ann@example.com")
    assert "the finance staff or an administrator" in await refused(
        run, "prices", "show", "--token", customer
    )
    # Without an answer to the question nothing is set either.
    unanswered = await run("prices", "set", str(write(tmp_path, minus | {"priceLists": []})))
    assert unanswered.returncode == 1
    assert (await read(run, "prices", "show"))["version"] == 0
