"""Provider responses become exact values, or failures that say whether a retry is safe."""

import logging
from decimal import Decimal

import aiohttp
import pytest

from kit.errors import Failure, Kind
from tests.unit.providers.fake_provider import KEY, Answer, FakeProvider

NESTED = "[" * 1_200
LONG_AND_NESTED = f'{{"n": {"9" * 4301}, "b": {NESTED}}}'


async def test_numbers_preserve_all_digits(http: aiohttp.ClientSession, fake: FakeProvider) -> None:
    fake.will(Answer(text='{"price": 135.163, "iccid": 89431081699000000165, "quantity": 2}'))
    answer = await fake.client(http).get("/orders")
    assert answer == {"price": Decimal("135.163"), "iccid": 89431081699000000165, "quantity": 2}
    assert isinstance(answer["price"], Decimal)


async def test_decimals_are_sent_as_exact_numbers(
    http: aiohttp.ClientSession, fake: FakeProvider
) -> None:
    await fake.client(http).send("POST", "/orders", json={"amount": Decimal("0.10"), "name": "é"})
    assert fake.received[0].body == '{"amount":0.10,"name":"é"}'
    assert fake.received[0].headers["Content-Type"] == "application/json"


async def test_every_call_sends_the_key_and_accepts_json(
    http: aiohttp.ClientSession, fake: FakeProvider
) -> None:
    await fake.client(http).get("/esims/assignments", [("reference", "a"), ("reference", "b")])
    received = fake.received[0]
    assert received.headers["X-API-Key"] == KEY
    assert received.headers["Accept"] == "application/json"
    assert received.path == "/v2.5/esims/assignments"
    assert received.query == [("reference", "a"), ("reference", "b")]


async def test_a_plus_sign_in_a_time_reaches_the_provider(
    http: aiohttp.ClientSession, fake: FakeProvider
) -> None:
    await fake.client(http).get("/orders", {"createdAt": "gte:2026-03-01T12:00:00+01:00"})
    assert fake.received[0].query == [("createdAt", "gte:2026-03-01T12:00:00+01:00")]


async def test_an_empty_response_is_none(http: aiohttp.ClientSession, fake: FakeProvider) -> None:
    fake.will(Answer(status=204, text=""))
    assert await fake.client(http).send("DELETE", "/esims/1") is None


REFUSALS = [
    (400, Kind.REFUSED, "PROVIDER_BAD_REQUEST"),
    (401, Kind.REFUSED, "PROVIDER_FORBIDDEN"),
    (403, Kind.REFUSED, "PROVIDER_FORBIDDEN"),
    (404, Kind.NOT_FOUND, "PROVIDER_NOT_FOUND"),
    (410, Kind.REFUSED, "PROVIDER_GONE"),
    (422, Kind.REFUSED, "PROVIDER_BAD_REQUEST"),
    (429, Kind.EXHAUSTED, "PROVIDER_RATE_LIMITED"),
]


UNCLEAR = [(status, Kind.UNCLEAR, "PROVIDER_UNCLEAR") for status in (302, 408, 500, 503)]
READ, WRITE = "GET /esims/{}/history", "POST /orders"


@pytest.mark.parametrize(
    ("status", "kind", "reason", "endpoint"),
    [
        *((*refusal, endpoint) for refusal in REFUSALS for endpoint in (READ, WRITE)),
        (302, Kind.UNAVAILABLE, "PROVIDER_BAD_ANSWER", READ),
        (408, Kind.UNAVAILABLE, "PROVIDER_ERROR", READ),
        (500, Kind.UNAVAILABLE, "PROVIDER_ERROR", READ),
        (503, Kind.UNAVAILABLE, "PROVIDER_PROCESSING", READ),
        *((*unclear, WRITE) for unclear in UNCLEAR),
    ],
)
async def test_a_status_decides_whether_a_read_failed_and_a_write_is_unclear(
    http: aiohttp.ClientSession,
    fake: FakeProvider,
    status: int,
    kind: Kind,
    reason: str,
    endpoint: str,
) -> None:
    fake.will(Answer({"message": "their words"}, status))
    client = fake.client(http)
    with pytest.raises(Failure) as raised:
        if endpoint == READ:
            await client.get("/esims/8943108169900000016/history", retry=False)
        else:
            await client.send("POST", "/orders", json={})
    failure = raised.value
    assert (failure.kind, failure.reason) == (kind, reason)
    assert failure.details == {
        "provider_status": str(status),
        "provider_message": "their words",
        "endpoint": endpoint,
    }
    assert "their words" not in failure.message
    assert len(fake.received) == 1


@pytest.mark.parametrize("status", [429, 503])
async def test_retry_after_is_passed_on(
    http: aiohttp.ClientSession, fake: FakeProvider, status: int
) -> None:
    fake.will(Answer(status=status, headers={"Retry-After": "7"}))
    with pytest.raises(Failure) as raised:
        await fake.client(http).send("POST", "/orders")
    assert raised.value.retry_after == 7


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("  plain words\n", "plain words"),
        ('{"error": "x"}', '{"error": "x"}'),
        ("w" * 501, "w" * 500),
        (f"key {KEY} is wrong", "key [secret] is wrong"),
        ("LPA:1$smdp.example$AB-12 is used", "[activation code] is used"),
        (LONG_AND_NESTED, LONG_AND_NESTED[:500]),
    ],
    ids=lambda text: text[:12],
)
async def test_the_providers_message_is_truncated_and_redacted(
    http: aiohttp.ClientSession, fake: FakeProvider, text: str, message: str
) -> None:
    fake.will(Answer(status=400, text=text))
    with pytest.raises(Failure) as raised:
        await fake.client(http).get("/orders")
    assert raised.value.details["provider_message"] == message


@pytest.mark.parametrize(
    "text",
    ["", "<html>", "{'price': 2}", "[" * 100_000, LONG_AND_NESTED],
    ids=lambda text: text[:12],
)
async def test_an_unreadable_success_is_unavailable_for_reads_and_unclear_for_writes(
    http: aiohttp.ClientSession, fake: FakeProvider, text: str
) -> None:
    fake.will(Answer(text=text))
    client = fake.client(http)
    with pytest.raises(Failure) as read:
        await client.get("/orders", retry=False)
    assert (read.value.kind, read.value.reason) == (Kind.UNAVAILABLE, "PROVIDER_BAD_ANSWER")
    with pytest.raises(Failure) as written:
        await client.send("POST", "/orders", json={})
    assert written.value.kind == Kind.UNCLEAR


async def test_a_redirect_does_not_send_the_key_elsewhere(
    http: aiohttp.ClientSession, fake: FakeProvider
) -> None:
    fake.will(Answer(status=302, headers={"Location": f"{fake.url}/elsewhere"}), Answer())
    with pytest.raises(Failure):
        await fake.client(http).get("/orders", retry=False)
    assert [r.path for r in fake.received] == ["/v2.5/orders"]


async def test_the_debug_level_shows_every_request_without_secrets(
    http: aiohttp.ClientSession, fake: FakeProvider, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "providers.esim_go.client")
    fake.will(Answer({"matchingId": "ABCD-1234"}))
    await fake.client(http).get("/esims/8943108169900000016")
    (line,) = [
        record.getMessage()
        for record in caplog.records
        if record.name == "providers.esim_go.client"
    ]
    assert line.startswith("provider: GET /esims/{} path=/esims/894310…0016 status=200 after=")
    assert line.endswith("ms attempt=1")
    assert KEY not in line


async def test_one_nan_or_invalid_character_does_not_affect_the_rest_of_a_response(
    http: aiohttp.ClientSession, fake: FakeProvider
) -> None:
    fake.will(Answer(text='[{"price": NaN}, {"price": 2.28}]'))
    assert await fake.client(http).get("/catalogue") == [
        {"price": None},
        {"price": Decimal("2.28")},
    ]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be", "utf-32"])
async def test_responses_are_read_in_every_encoding_of_json(
    http: aiohttp.ClientSession, fake: FakeProvider, encoding: str
) -> None:
    text = '{"message": "Zoë"}'.encode(encoding)
    fake.will(Answer(raw=text), Answer(status=400, raw=text))
    assert await fake.client(http).get("/orders") == {"message": "Zoë"}
    with pytest.raises(Failure) as raised:
        await fake.client(http).get("/orders")
    assert raised.value.details["provider_message"] == "Zoë"


@pytest.mark.parametrize("body", [b"\xff\xfe{", b"\x00", b"\xfe\xff\xd8"])
async def test_text_that_is_invalid_in_its_encoding_is_a_fault_of_the_provider(
    http: aiohttp.ClientSession, fake: FakeProvider, body: bytes
) -> None:
    fake.will(Answer(raw=b'{"a": "\xff"}'), Answer(raw=body), Answer(status=400, raw=body))
    client = fake.client(http)
    assert await client.get("/orders") == {"a": "\ufffd"}
    for reason in ("PROVIDER_BAD_ANSWER", "PROVIDER_BAD_REQUEST"):
        with pytest.raises(Failure) as raised:
            await client.get("/orders", retry=False)
        assert raised.value.reason == reason
