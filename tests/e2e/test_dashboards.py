"""The queries of dashboards and rules, evaluated by a real Prometheus that scrapes five real processes."""

import asyncio
import json
import math
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml

from tests.fixtures.busy_shop import SETTINGS, BusyShop
from tests.fixtures.free_ports import free_ports
from tests.fixtures.local.one_machine import Starting, Up
from tests.fixtures.local.scraping import address
from tests.fixtures.patience import PATIENCE

OBSERVABILITY = Path(__file__).parents[2] / "deploy" / "observability"
DASHBOARDS = sorted((OBSERVABILITY / "grafana" / "dashboards").glob("*.json"))
pytestmark = [
    pytest.mark.skipif(
        shutil.which("prometheus") is None,
        reason="needs Prometheus (Debian: apt-get install prometheus)",
    )
]
# Seconds between scrapes, and the timeout of a scrape.
LOOK_EVERY = 3
# Grafana's variables; the whole run is shorter than this.
VARIABLES = {"$__rate_interval": "10m", "$__range": "10m"}


def queries() -> Iterator[tuple[str, str]]:
    """Return each panel's title and expression."""
    for dashboard in DASHBOARDS:
        for panel in json.loads(dashboard.read_text())["panels"]:
            for target in panel.get("targets", ()):
                expression = target["expr"]
                for variable, value in VARIABLES.items():
                    expression = expression.replace(variable, value)
                yield panel["title"], expression


@asynccontextmanager
async def prometheus(up: Up, folder: Path) -> AsyncIterator[str]:
    """Run Prometheus with our configuration, local addresses and shorter intervals; yields its API."""
    config = yaml.safe_load((OBSERVABILITY / "prometheus.yml").read_text())
    pace = f"{LOOK_EVERY}s"
    config["global"] = {"scrape_interval": pace, "evaluation_interval": pace}
    config["rule_files"] = [str(OBSERVABILITY / pattern) for pattern in config["rule_files"]]
    for target in config["scrape_configs"][0]["static_configs"]:
        target["targets"] = [address(up, target["labels"]["service"])]
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    (port,) = free_ports(1)
    process = await asyncio.create_subprocess_exec(
        "prometheus",
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--log.level=error",
    )
    try:
        yield f"http://127.0.0.1:{port}/api/v1"
    finally:
        process.terminate()
        await process.wait()


async def asked(http: aiohttp.ClientSession, url: str, **parameters: str) -> Any:
    async with http.get(url, params=parameters) as answer:
        body = await answer.json()
    assert body["status"] == "success", (parameters, body)
    return body["data"]


async def empty(http: aiohttp.ClientSession, api: str) -> list[tuple[str, str]]:
    """Return the panels' queries without a result."""
    found = []
    for title, expression in queries():
        series = (await asked(http, f"{api}/query", query=expression))["result"]
        if not any(math.isfinite(float(one["value"][1])) for one in series):
            found.append((title, expression))
    return found


async def test_every_panel_has_data_and_every_rule_is_evaluated(
    starting: Starting, one_machine: dict[str, str], http: aiohttp.ClientSession, tmp_path: Path
) -> None:
    assert len(list(queries())) > 50
    one_machine.update(SETTINGS)
    async with starting() as up:
        await up.until("myESIMs")
        async with prometheus(up, tmp_path) as api:
            shop = BusyShop(up, http)
            await shop.run_all()
            # A rate needs a change after the first scrape.
            loop = asyncio.get_running_loop()
            ends = loop.time() + 2 * PATIENCE
            while (missing := await empty(http, api)) and loop.time() < ends:
                order, esim = await shop.sell()
                await shop.send_invalid_requests()
                await shop.post_callbacks(order, esim)
            assert missing == []
            groups = (await asked(http, f"{api}/rules"))["groups"]
            unwell = [r for g in groups for r in g["rules"] if r["health"] != "ok"]
            assert len(groups) >= 8
            assert unwell == []
            up_now: list[str] = []
            while up_now != ["up"] * 5 and loop.time() < ends + PATIENCE:
                targets = (await asked(http, f"{api}/targets"))["activeTargets"]
                up_now = [target["health"] for target in targets]
            assert up_now == ["up"] * 5
