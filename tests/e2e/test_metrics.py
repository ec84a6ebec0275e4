"""docs/metrics.md against five real processes: every metric of it exists and moves, and no other is there."""

import asyncio
import re
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from tests.fixtures.busy_shop import SETTINGS, BusyShop
from tests.fixtures.gateway import Client
from tests.fixtures.one_machine import Starting
from tests.fixtures.patience import PATIENCE
from tests.fixtures.scraping import PROCESSES, Scrape, scrape

ROOT = Path(__file__).parents[2]

ROW = re.compile(r"^\| `(\w+)` \| (\w+) \| ([\w, ]*)\| ([\w, ]+) \|", re.MULTILINE)
# What a process has said about itself once and for all.
STEADY = {
    *("target_info", "db_client_connection_max", "esimgo_provider_balance_threshold"),
    # Nothing is wrong meanwhile: callers read their answers, the database takes writes, and the
    # provider asks for no pause.
    *("esimgo_rpc_connections_closed_total", "esimgo_rpc_unread_bytes"),
    *("esimgo_db_writable", "esimgo_provider_held_seconds"),
}

ASKED = 5


def posts(seen: Scrape) -> float:
    """How many the gateway has answered well."""
    name = "http_server_request_duration_seconds_count"
    return seen.value("gateway", name, http_request_method="POST", http_response_status_code="200")


@dataclass(frozen=True, slots=True)
class Documented:
    """A row of the page."""

    kind: str
    labels: set[str]
    where: set[str]


def documented() -> dict[str, Documented]:
    """The page's rows by the name of their metric."""
    found = {}
    for name, kind, labels, where in ROW.findall((ROOT / "docs" / "metrics.md").read_text()):
        assert name not in found, f"{name} is documented twice"
        shown_by = set(PROCESSES) if where == "all" else set(where.split(", "))
        found[name] = Documented(
            kind, {x.strip() for x in labels.split(",") if x.strip()}, shown_by
        )
    return found


async def test_every_documented_metric_exists_and_moves_and_no_other_is_there(
    starting: Starting, one_machine: dict[str, str], http: aiohttp.ClientSession
) -> None:
    one_machine.update(SETTINGS)
    async with starting() as up:
        await up.until("myESIMs")
        before = await scrape(up, http)
        shop = BusyShop(up, http)
        await shop.trade()
        after = await scrape(up, http)
        # In the same bytes again and again, so that nothing is parsed: it's counted as any other.
        nobody = Client(f"http://127.0.0.1:{up.environment['GATEWAY_PORT']}", http)
        for _ in range(ASKED):
            assert (await nobody.ask("{ featuredPlans { id } }")).status == 200
        # A request is counted after its answer was sent.
        async with asyncio.timeout(PATIENCE):
            while posts(await scrape(up, http, ["gateway"])) < posts(after) + ASKED:
                await asyncio.sleep(0.1)
    page = documented()
    assert len(page) > 35
    assert set(after.kinds) == set(page)
    assert {name: after.kinds[name] for name in page} == {n: row.kind for n, row in page.items()}
    assert {n: after.where[n] - row.where for n, row in page.items()} == {n: set() for n in page}
    assert {n: after.labels.get(n, set()) for n in page} == {n: r.labels for n, r in page.items()}
    # What goes up and comes down again is caught on its way.
    moments = [*shop.moments, after]
    still = {n for n in page if not any(seen.changed(n, before) for seen in moments)}
    assert still <= STEADY
