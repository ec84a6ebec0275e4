"""However many calls fail, there is one log line for each endpoint and reason."""

import asyncio
import logging

import aiohttp
import pytest

from kit.errors import Failure
from providers.esim_go import client as provider_client
from tests.fixtures.patience import PATIENCE
from tests.unit.providers.fake_provider import Answer, FakeProvider

CALLS = 200


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hundreds of connections at once take a slow machine longer than any one may take."""
    monkeypatch.setattr(provider_client, "CONNECT_TIMEOUT", PATIENCE)


async def flood(fake: FakeProvider, http: aiohttp.ClientSession, *paths: str) -> set[str]:
    """Return the reasons why many calls of one client failed."""
    # Less than the requested pause, and more than any response takes.
    client = fake.client(http, timeout=PATIENCE, longest_hold=2 * PATIENCE)
    outcomes = await asyncio.gather(
        *(client.get(path, retry=False) for _ in range(CALLS) for path in paths),
        return_exceptions=True,
    )
    assert all(isinstance(outcome, Failure) for outcome in outcomes)
    return {outcome.reason for outcome in outcomes if isinstance(outcome, Failure)}


async def test_exhausted_tokens_are_logged_once_per_endpoint(
    fake: FakeProvider, http: aiohttp.ClientSession, caplog: pytest.LogCaptureFixture
) -> None:
    fake.will(Answer(status=429, headers={"Retry-After": f"{2 * PATIENCE:.0f}"}))
    assert await flood(fake, http, "/organisation", "/catalogue") == {"PROVIDER_RATE_LIMITED"}
    lines = [r.message for r in caplog.records if r.levelno >= logging.WARNING]
    assert len(lines) == 3
    assert lines[0].startswith("provider calls are held: ")
    assert {line.split(": ")[1].split(" path=")[0] for line in lines[1:]} == {
        "GET /organisation",
        "GET /catalogue",
    }


@pytest.mark.slow
async def test_an_open_circuit_is_logged_once_beside_its_cause(
    fake: FakeProvider, http: aiohttp.ClientSession, caplog: pytest.LogCaptureFixture
) -> None:
    fake.will(Answer(status=500))
    client = fake.client(http, circuit_seconds=0.0)
    for _ in range(CALLS // 10):  # it opens and half-opens each time
        with pytest.raises(Failure):
            await client.get("/organisation", retry=False)
    lines = [r.message for r in caplog.records if r.levelno >= logging.WARNING]
    assert len(lines) == 2
    assert lines[1] == "provider circuit is open"
    fake.will(Answer())
    await client.get("/organisation", retry=False)
    assert caplog.messages[-1].startswith("provider circuit is closed (")
