"""Broken connections, timeouts and outages: reads are retried, writes are sent only once."""

import asyncio
import logging
import socket

import aiohttp
import pytest

from kit.errors import Failure, Kind
from providers.esim_go.client import Provider, ProviderSettings
from tests.fixtures.patience import PATIENCE
from tests.unit.providers.fake_provider import KEY, Answer, FakeProvider

pytestmark = pytest.mark.usefixtures("no_back_off")
ICCID = "8943108169900000016"


def circuit_of(client: Provider) -> str:
    """Return the state as plain text, which mypy doesn't narrow: it changes between two calls."""
    return client.circuit


async def test_a_read_is_repeated_until_it_works(
    http: aiohttp.ClientSession, fake: FakeProvider
) -> None:
    fake.will(Answer(drop=True), Answer(status=500), Answer({"ok": True}))
    assert await fake.client(http).get("/orders") == {"ok": True}
    assert len(fake.received) == 3


async def test_a_read_gives_up_after_its_attempts(
    http: aiohttp.ClientSession, fake: FakeProvider
) -> None:
    fake.will(Answer(status=500))
    with pytest.raises(Failure, match="PROVIDER_ERROR"):
        await fake.client(http).get("/orders")
    assert len(fake.received) == 3


async def test_waiting_for_the_rate_limit_uses_no_attempts(
    http: aiohttp.ClientSession, fake: FakeProvider
) -> None:
    refused = Answer(status=429, headers={"Retry-After": "0"})
    fake.will(*[refused] * 5, Answer({"ok": True}))
    assert await fake.client(http).get("/orders") == {"ok": True}
    assert len(fake.received) == 6


@pytest.mark.parametrize("status", [400, 403, 404, 410])
async def test_a_refused_read_is_not_repeated(
    http: aiohttp.ClientSession, fake: FakeProvider, status: int
) -> None:
    fake.will(Answer(status=status))
    with pytest.raises(Failure):
        await fake.client(http).get("/orders")
    assert len(fake.received) == 1


@pytest.mark.parametrize("answer", [Answer(drop=True), Answer(status=500)])
async def test_a_read_with_a_side_effect_is_sent_once(
    http: aiohttp.ClientSession, fake: FakeProvider, answer: Answer
) -> None:
    fake.will(answer)
    with pytest.raises(Failure):
        await fake.client(http).get(f"/esims/{ICCID}/refresh", retry=False)
    assert len(fake.received) == 1


async def test_a_pause_longer_than_the_timeout_fails_at_once(
    http: aiohttp.ClientSession, fake: FakeProvider
) -> None:
    fake.will(Answer(status=503, headers={"Retry-After": "60"}))
    with pytest.raises(Failure, match="PROVIDER_PROCESSING"):
        await fake.client(http).get("/orders", timeout=30)
    assert len(fake.received) == 1


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
async def test_a_write_on_a_broken_reused_connection_is_unclear_and_not_repeated(
    http: aiohttp.ClientSession, fake: FakeProvider, method: str
) -> None:
    client = fake.client(http)
    await client.get("/orders")  # leaves a connection in aiohttp's pool
    fake.will(Answer(drop=True), Answer())
    with pytest.raises(Failure) as raised:
        await client.send(method, "/esims")
    assert (raised.value.kind, raised.value.reason) == (Kind.UNCLEAR, "PROVIDER_UNCLEAR")
    assert [r.method for r in fake.received] == ["GET", method]


@pytest.mark.slow
async def test_a_write_without_an_answer_is_unclear(
    http: aiohttp.ClientSession, fake: FakeProvider
) -> None:
    fake.will(Answer(hang=True))
    with pytest.raises(Failure) as raised:
        await fake.client(http).send("POST", "/orders", timeout=3)
    assert raised.value.kind == Kind.UNCLEAR
    assert len(fake.received) == 1


@pytest.mark.slow
async def test_a_read_without_an_answer_is_unavailable(
    http: aiohttp.ClientSession, fake: FakeProvider
) -> None:
    fake.will(Answer(hang=True))
    with pytest.raises(Failure) as raised:
        await fake.client(http).get("/orders", timeout=2, retry=False)
    assert (raised.value.kind, raised.value.reason) == (Kind.UNAVAILABLE, "PROVIDER_TIMEOUT")


async def test_a_write_that_was_never_sent_is_certainly_not_done(
    http: aiohttp.ClientSession,
) -> None:
    with socket.socket() as bound:  # bound, so that no other process listens there
        bound.bind(("127.0.0.1", 0))
        settings = ProviderSettings(f"http://127.0.0.1:{bound.getsockname()[1]}/v2.5", KEY)
        with pytest.raises(Failure) as raised:
            await Provider(http, settings).send("POST", "/orders", json={})
    assert (raised.value.kind, raised.value.reason) == (Kind.UNAVAILABLE, "PROVIDER_UNREACHABLE")


async def test_a_cancelled_call_is_cancelled(
    http: aiohttp.ClientSession, fake: FakeProvider
) -> None:
    fake.will(Answer(hang=True))
    call = asyncio.create_task(fake.client(http).get("/orders"))
    await fake.arrived.wait()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call


async def test_the_circuit_opens_after_repeated_failures_and_then_nothing_is_sent(
    http: aiohttp.ClientSession, fake: FakeProvider
) -> None:
    fake.will(Answer(status=500))
    client = fake.client(http, circuit_threshold=2, attempts=1)
    assert circuit_of(client) == "closed"
    for _ in range(2):
        with pytest.raises(Failure, match="PROVIDER_ERROR"):
            await client.get("/orders")
    assert circuit_of(client) == "open"
    for call in (client.get("/orders"), client.send("POST", "/orders")):
        with pytest.raises(Failure) as raised:
            await call
        assert (raised.value.kind, raised.value.reason) == (
            Kind.UNAVAILABLE,
            "PROVIDER_CIRCUIT_OPEN",
        )
    assert len(fake.received) == 2


async def test_refusals_and_pauses_leave_the_circuit_closed(
    http: aiohttp.ClientSession, fake: FakeProvider
) -> None:
    client = fake.client(http, circuit_threshold=1, attempts=1)
    still_processed = Answer(status=503, headers={"Retry-After": "0"})
    for answer in (Answer(status=400), Answer(status=403), Answer(status=404), still_processed):
        fake.will(answer)
        with pytest.raises(Failure):
            await client.get("/orders")
    assert circuit_of(client) == "closed"


@pytest.mark.parametrize(
    ("path", "params"),
    [(f"/esims/{ICCID}", None), ("/esims/assignments", {"reference": "broken"})],
)
async def test_one_record_that_the_provider_cannot_return_does_not_open_the_circuit(
    http: aiohttp.ClientSession, fake: FakeProvider, path: str, params: dict[str, str] | None
) -> None:
    client = fake.client(http, circuit_threshold=2)
    fake.will(Answer(status=500))
    for _ in range(3):
        with pytest.raises(Failure, match="PROVIDER_ERROR"):
            await client.get(path, params)
    assert circuit_of(client) == "closed"
    # Others fail too, so it is an outage.
    with pytest.raises(Failure, match="PROVIDER_ERROR"):
        await client.get("/esims/8943108169900000024", retry=False)
    assert circuit_of(client) == "open"


async def test_a_record_that_fails_again_does_not_reopen_the_circuit(
    http: aiohttp.ClientSession, fake: FakeProvider
) -> None:
    client = fake.client(http, circuit_threshold=1, circuit_seconds=OVER_AT_ONCE, attempts=1)
    fake.will(Answer(status=500), Answer(status=500), Answer())
    for _ in range(2):
        with pytest.raises(Failure, match="PROVIDER_ERROR"):
            await client.get(f"/esims/{ICCID}")
    assert circuit_of(client) == "half-open"
    await client.get("/orders")
    assert circuit_of(client) == "closed"


@pytest.mark.slow
async def test_a_caller_with_a_short_deadline_does_not_open_the_circuit(
    http: aiohttp.ClientSession, fake: FakeProvider
) -> None:
    fake.will(Answer(hang=True))
    client = fake.client(http, circuit_threshold=1, attempts=1)
    with pytest.raises(Failure, match="PROVIDER_TIMEOUT"):
        await client.get("/orders", timeout=2)  # a shorter one than is judged
    assert circuit_of(client) == "closed"


# The circuit's pause is zero, so the call after the failure is the trial.
OVER_AT_ONCE = -1


async def test_the_call_after_the_pause_closes_the_circuit_or_opens_it_again(
    http: aiohttp.ClientSession, fake: FakeProvider
) -> None:
    client = fake.client(http, circuit_threshold=1, circuit_seconds=OVER_AT_ONCE, attempts=1)
    fake.will(Answer(status=500), Answer(status=500), Answer())
    for _ in range(2):
        with pytest.raises(Failure, match="PROVIDER_ERROR"):
            await client.get("/orders")
        assert circuit_of(client) == "open"
    await client.get("/orders")
    assert circuit_of(client) == "closed"


async def test_only_one_call_probes_a_failed_provider_and_a_cancelled_one_frees_the_slot(
    http: aiohttp.ClientSession, fake: FakeProvider
) -> None:
    client = fake.client(http, circuit_threshold=1, circuit_seconds=OVER_AT_ONCE, attempts=1)
    fake.will(Answer(status=500), Answer(hang=True), Answer())
    with pytest.raises(Failure, match="PROVIDER_ERROR"):
        await client.get("/orders")
    fake.arrived.clear()
    first = asyncio.create_task(client.get("/orders"))
    await fake.arrived.wait()
    assert circuit_of(client) == "half-open"
    with pytest.raises(Failure, match="PROVIDER_CIRCUIT_OPEN"):
        await client.get("/orders")
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    assert circuit_of(client) == "half-open"
    await client.get("/orders")
    assert circuit_of(client) == "closed"


async def test_a_failure_is_logged_with_context_and_without_secrets(
    http: aiohttp.ClientSession, fake: FakeProvider, caplog: pytest.LogCaptureFixture
) -> None:
    fake.will(Answer({"message": f"{KEY} LPA:1$host$SECRET"}, 403))
    with caplog.at_level(logging.DEBUG), pytest.raises(Failure) as raised:
        await fake.client(http).get(f"/esims/{ICCID}/qr")
    line = next(r.getMessage() for r in caplog.records if r.name == "providers.esim_go.client")
    for part in ("GET /esims/{}/qr", "894310…0016", "status=403", "attempt=1"):
        assert part in line
    # Without the access log of the test's own server.
    everything = "".join(r.getMessage() for r in caplog.records if r.name != "aiohttp.access")
    everything += repr(raised.value) + repr(ProviderSettings(fake.url, KEY))
    for secret in (KEY, ICCID, "SECRET"):
        assert secret not in everything


async def test_one_item_in_progress_does_not_delay_another_at_the_same_path(
    http: aiohttp.ClientSession, fake: FakeProvider
) -> None:
    client = fake.client(http, longest_hold=3 * PATIENCE)
    fake.will(
        Answer(status=503, headers={"Retry-After": f"{3 * PATIENCE:.0f}"}), Answer({"ready": True})
    )
    with pytest.raises(Failure, match="PROVIDER_PROCESSING"):
        await client.get("/esims/assignments", {"reference": "one"}, timeout=PATIENCE)
    assert await client.get("/esims/assignments", {"reference": "two"}, timeout=PATIENCE)
    with pytest.raises(Failure, match="PROVIDER_RATE_LIMITED"):
        await client.get("/esims/assignments", {"reference": "one"}, timeout=PATIENCE)
