"""The file of exchange rates, which the admin API changes."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.component.sandbox.conftest import Client, Play

NAMESPACE = "{http://www.ecb.int/vocabulary/2002-08-01/eurofxref}"


async def fetched(client: Client) -> tuple[str, dict[str, str]]:
    """Return the day and the rates of the file."""
    async with client.http.get(client.running.rates_url) as answer:
        assert (answer.status, answer.content_type) == (200, "text/xml")
        root = ElementTree.fromstring(await answer.text())  # noqa: S314 - the sandbox's own
    (day,) = root.findall(f"{NAMESPACE}Cube/{NAMESPACE}Cube")
    return day.attrib["time"], {row.attrib["currency"]: row.attrib["rate"] for row in day}


async def test_the_file_is_of_today_even_if_the_clock_is_ahead(client: Client) -> None:
    await client.control("clock/advance", {"days": 30})
    before = datetime.now(UTC).date()
    day, rates = await fetched(client)
    assert before <= datetime.fromisoformat(day).date() <= before + timedelta(days=1)
    assert len(rates) == 29
    assert {"USD", "GBP", "JPY"} <= set(rates)


async def test_rates_and_day_can_be_changed(client: Client) -> None:
    shown = await client.control(
        "rates", {"day": "2026-11-20", "rates": {"USD": "NaN", "GBP": None, "<&'\"": 0}}
    )
    day, rates = await fetched(client)
    assert day == shown["day"] == "2026-11-20"
    assert rates == shown["rates"]
    assert (rates["USD"], rates["<&'\""]) == ("NaN", "0")
    assert "GBP" not in rates
    await client.control("reset", {})
    assert (await fetched(client))[1]["USD"] == "1.1"


async def test_the_whole_answer_can_be_replaced(client: Client) -> None:
    await client.control("rates", {"content": "<html>", "status": 503})
    async with client.http.get(client.running.rates_url) as answer:
        assert (answer.status, await answer.text()) == (503, "<html>")
    await client.control("rates", {"content": "", "status": 200, "day": "today"})
    await fetched(client)


async def test_changed_rates_survive_a_restart(play: Play, tmp_path: Path) -> None:
    settings = {"state": tmp_path / "state.sqlite3"}
    first = await play(settings)
    await first.control("rates", {"rates": {"USD": "1.25"}})
    await first.running.stop()
    assert (await fetched(await play(settings)))[1]["USD"] == "1.25"


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"rates": []}, "rates"),
        ({"status": 99}, "status"),
        ({"day": 5}, "day"),
        ({"content": {}}, "content"),
        ({"more": 1}, "more"),
    ],
)
async def test_a_wrong_change_is_refused(client: Client, body: object, named: str) -> None:
    before = await client.control("rates")
    assert named in await client.refused("rates", body)
    assert await client.control("rates") == before
