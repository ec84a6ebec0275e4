"""Panels of the dashboard have their own place and id, documented metrics, and colors and units that fit."""

import itertools
import json
import re
from pathlib import Path
from typing import Any

import pytest
from babel.numbers import list_currencies

from kit.values import currencies
from tests.architecture.metric_names import DOCUMENTED, metrics

FOLDER = Path(__file__).parents[2] / "deploy" / "observability" / "grafana" / "dashboards"
DASHBOARDS = [json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))]
WIDTH = 24
EACH = pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda dashboard: dashboard["uid"])


def overlap(one: dict[str, int], other: dict[str, int]) -> bool:
    return all(
        one[at] < other[at] + other[size] and other[at] < one[at] + one[size]
        for at, size in (("x", "w"), ("y", "h"))
    )


@EACH
def test_no_panel_covers_another(dashboard: dict[str, Any]) -> None:
    places = [panel["gridPos"] for panel in dashboard["panels"]]
    assert all(place["x"] + place["w"] <= WIDTH for place in places)
    assert [pair for pair in itertools.combinations(places, 2) if overlap(*pair)] == []
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(set(ids)) == len(ids)


@EACH
def test_every_panel_has_a_title_a_unit_and_known_metrics(dashboard: dict[str, Any]) -> None:
    for panel in dashboard["panels"]:
        assert panel["title"]
        if panel["type"] == "row":
            continue
        assert panel["fieldConfig"]["defaults"]["unit"]
        letters = [target["refId"] for target in panel["targets"]]
        assert len(set(letters)) == len(letters)
        for target in panel["targets"]:
            found = metrics(target["expr"])
            assert found <= DOCUMENTED, panel["title"]


@EACH
def test_single_values_have_colors(dashboard: dict[str, Any]) -> None:
    """Without thresholds, Grafana colors every value from 80 red."""
    for panel in dashboard["panels"]:
        if panel["type"] in {"stat", "bargauge"}:
            assert panel["fieldConfig"]["defaults"].keys() & {"color", "thresholds"}, panel["title"]


@EACH
def test_bars_start_at_zero(dashboard: dict[str, Any]) -> None:
    """Without a minimum, Grafana starts all bars at the lowest value, whose bar is then empty."""
    for panel in dashboard["panels"]:
        if panel["type"] == "bargauge":
            assert panel["fieldConfig"]["defaults"]["min"] == 0, panel["title"]


@EACH
def test_amounts_have_the_decimals_of_their_currency(dashboard: dict[str, Any]) -> None:
    amounts = [
        panel
        for panel in dashboard["panels"]
        if any(
            "{{currency}}" in target.get("legendFormat", "") for target in panel.get("targets", ())
        )
    ]
    assert len(amounts) >= 5
    for panel in amounts:
        for code in filter(currencies.is_known, list_currencies()):
            assert decimals(panel["fieldConfig"], code) == currencies.digits(code), (
                panel["title"],
                code,
            )


def decimals(config: dict[str, Any], name: str) -> int:
    """Return the decimal places of the series with that name."""
    found: int = config["defaults"]["decimals"]
    for override in config["overrides"]:
        assert override["matcher"]["id"] == "byRegexp"
        if re.search(override["matcher"]["options"].strip("/"), name):
            found = next(p["value"] for p in override["properties"] if p["id"] == "decimals")
    return found


def test_the_business_has_a_row() -> None:
    panels = DASHBOARDS[0]["panels"]
    rows = [n for n, panel in enumerate(panels) if panel["type"] == "row"]
    first = next(n for n in rows if panels[n]["title"] == "Business")
    until = next(n for n in rows if n > first)
    queried = {
        metric
        for panel in panels[first:until]
        for target in panel.get("targets", ())
        for metric in metrics(target["expr"])
    }
    assert queried >= {
        "esimgo_sales_orders",
        "esimgo_sales_amount",
        "esimgo_sales_area_orders",
        "esimgo_sales_data_bytes",
        "esimgo_orders_claimed_total",
        "esimgo_provider_balance",
        "esimgo_provider_spending_per_day",
    }
