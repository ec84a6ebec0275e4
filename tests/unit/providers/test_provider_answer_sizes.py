"""Provider responses that are too large, or compressed at an excessive ratio."""

import asyncio
import gzip
import json
import tracemalloc
import zlib
from decimal import Decimal

import aiohttp
import pytest

from kit.errors import Failure, Kind
from providers.esim_go.client import Provider, ProviderSettings
from tests.unit.providers.fake_provider import KEY, Answer, FakeProvider

MB = 1024 * 1024
GZIP = {"Content-Encoding": "gzip"}
DEFLATE = {"Content-Encoding": "deflate"}


def bomb(megabytes: int, wbits: int = 31) -> bytes:
    """A JSON text of one long string, compressed to a thousandth."""
    packer = zlib.compressobj(9, zlib.DEFLATED, wbits)
    parts = [packer.compress(b'"'), *(packer.compress(b"a" * MB) for _ in range(megabytes))]
    return b"".join([*parts, packer.compress(b'"'), packer.flush()])


def raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(data) + packer.flush()


@pytest.mark.parametrize(
    ("raw", "headers"),
    [
        pytest.param(gzip.compress(b'{"a": 1.5}'), GZIP, id="gzip"),
        pytest.param(
            gzip.compress(b'{"a": 1.5}'), {"Content-Encoding": "X-GZIP"}, id="its old name"
        ),
        pytest.param(gzip.compress(b'{"a":') + gzip.compress(b" 1.5}"), GZIP, id="two members"),
        pytest.param(zlib.compress(b'{"a": 1.5}'), DEFLATE, id="deflate"),
        pytest.param(raw_deflate(b'{"a": 1.5}'), DEFLATE, id="deflate without a header"),
        pytest.param(b'{"a": 1.5}', {"Content-Encoding": "identity"}, id="identity"),
    ],
)
async def test_every_requested_encoding_is_decoded(
    http: aiohttp.ClientSession, fake: FakeProvider, raw: bytes, headers: dict[str, str]
) -> None:
    fake.will(Answer(raw=raw, headers=headers))
    assert await fake.client(http).get("/orders") == {"a": Decimal("1.5")}
    assert fake.received[0].headers["Accept-Encoding"] == "gzip, deflate"


@pytest.mark.parametrize("step", [-1, 0, 1])
async def test_compressed_text_around_the_chunk_size_is_read_completely(
    http: aiohttp.ClientSession, fake: FakeProvider, step: int
) -> None:
    text = "a" * (64 * 1024 - 2 + step)
    fake.will(Answer(raw=gzip.compress(json.dumps(text).encode()), headers=GZIP))
    assert await fake.client(http).get("/orders") == text


TOO_MUCH = [
    pytest.param(bomb(200), GZIP, id="gzip bomb"),
    pytest.param(bomb(200, 15), DEFLATE, id="deflate bomb"),
    pytest.param(bomb(200, -15), DEFLATE, id="deflate bomb without a header"),
    pytest.param(gzip.compress(bomb(200)), {"Content-Encoding": "gzip, gzip"}, id="twice gzip"),
    pytest.param(b'"' + b"a" * 17 * MB + b'"', {}, id="not compressed"),
    pytest.param(gzip.compress(b"") * 100_000 + gzip.compress(b"1"), GZIP, id="empty members"),
    pytest.param(b"[" + b"{}," * 2 * MB + b"{}]", {}, id="more values than memory"),
    pytest.param(b"\x1b\x00\x00", {"Content-Encoding": "br"}, id="brotli"),
    pytest.param(b"\x28\xb5\x2f\xfd", {"Content-Encoding": "zstd"}, id="zstd"),
    pytest.param(b"no gzip", GZIP, id="not gzip"),
    pytest.param(gzip.compress(b"1" * 100)[:-9], GZIP, id="cut off"),
    pytest.param(gzip.compress(b"1") + b"rest", GZIP, id="something behind the end"),
]


@pytest.mark.parametrize(("raw", "headers"), TOO_MUCH)
async def test_an_oversized_response_is_a_bad_response_and_uses_little_memory(
    http: aiohttp.ClientSession, fake: FakeProvider, raw: bytes, headers: dict[str, str]
) -> None:
    fake.will(Answer(raw=raw, headers=headers))
    client = fake.client(http)
    tracemalloc.start()
    try:
        with pytest.raises(Failure) as read:
            await client.get("/orders", retry=False)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (read.value.kind, read.value.reason) == (Kind.UNAVAILABLE, "PROVIDER_BAD_ANSWER")
    assert peak < 4 * 16 * MB
    with pytest.raises(Failure) as written:
        await client.send("POST", "/orders", json={})
    assert (written.value.kind, written.value.reason) == (Kind.UNCLEAR, "PROVIDER_UNCLEAR")


async def test_other_tasks_run_while_a_large_response_is_decompressed(
    http: aiohttp.ClientSession, fake: FakeProvider
) -> None:
    fake.will(Answer(raw=bomb(15), headers=GZIP))
    call = asyncio.create_task(fake.client(http).get("/orders"))
    await fake.arrived.wait()
    rounds = 0
    while not call.done():
        rounds += 1
        await asyncio.sleep(0)
    assert len(await call) == 15 * MB
    assert rounds >= 15 * 2  # every half a megabyte at least


@pytest.mark.parametrize(
    ("status", "kind", "reason"),
    [
        (400, Kind.REFUSED, "PROVIDER_BAD_REQUEST"),
        (404, Kind.NOT_FOUND, "PROVIDER_NOT_FOUND"),
        (429, Kind.EXHAUSTED, "PROVIDER_RATE_LIMITED"),
        (500, Kind.UNAVAILABLE, "PROVIDER_ERROR"),
    ],
)
@pytest.mark.parametrize(("raw", "headers"), [(bomb(200), GZIP), (b"a" * 17 * MB, {})])
async def test_an_oversized_error_is_classified_by_its_status(
    http: aiohttp.ClientSession,
    fake: FakeProvider,
    raw: bytes,
    headers: dict[str, str],
    status: int,
    kind: Kind,
    reason: str,
) -> None:
    fake.will(Answer(raw=raw, headers=headers, status=status))
    with pytest.raises(Failure) as raised:
        await fake.client(http).get("/orders", retry=False)
    assert (raised.value.kind, raised.value.reason) == (kind, reason)
    assert "provider_message" not in raised.value.details


async def test_a_compressed_error_keeps_its_message(
    http: aiohttp.ClientSession, fake: FakeProvider
) -> None:
    fake.will(Answer(raw=gzip.compress(b'{"message": "no"}'), headers=GZIP, status=400))
    with pytest.raises(Failure) as raised:
        await fake.client(http).get("/orders")
    assert raised.value.details["provider_message"] == "no"


async def test_a_whole_catalogue_in_one_response_is_below_the_limit(
    http: aiohttp.ClientSession, fake: FakeProvider
) -> None:
    """As many bundles as the provider's catalogue had in November 2025, of 611 bytes each."""
    row = {"name": "esim_1GB_7D_RAS_V2", "price": 1.385, "unlimited": False, "groups": ["Standard"]}
    places = [{"name": "Australia", "region": "Oceania", "iso": "AU"}] * 9
    bundles = [{**row, "countries": places, "speed": ["4G", "5G"]}] * 5_221
    text = json.dumps(bundles, indent=2).encode()  # as a provider might print it
    assert 611 * 5_221 < len(text) < 16 * MB
    for raw, headers in ((text, dict[str, str]()), (gzip.compress(text), GZIP)):
        fake.will(Answer(raw=raw, headers=headers))
        assert len(await fake.client(http).get("/catalogue")) == 5_221


async def test_the_limit_is_a_setting(http: aiohttp.ClientSession, fake: FakeProvider) -> None:
    fake.will(Answer(raw=bomb(1), headers=GZIP))
    settings = ProviderSettings(fake.url, KEY, answer_bytes=MB)
    with pytest.raises(Failure, match="PROVIDER_BAD_ANSWER"):
        await Provider(http, settings).get("/orders", retry=False)
    settings = ProviderSettings(fake.url, KEY, answer_bytes=2 * MB)
    assert len(await Provider(http, settings).get("/orders", retry=False)) == MB
