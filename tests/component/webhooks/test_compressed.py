"""Compressed callbacks: stored decompressed, unless that takes too much or is impossible."""

import gzip
import zlib

import aiohttp
import pytest

from tests.component.webhooks.conftest import sign
from tests.component.webhooks.received import BODY, stored
from tests.fixtures.postgres import Databases
from webhooks.content import MAX_ENCODINGS

RAW_DEFLATE = zlib.compressobj(wbits=-15)


COMPRESSED = {
    "gzip": gzip.compress(BODY),
    "GZIP": gzip.compress(BODY[:20]) + gzip.compress(b"") + gzip.compress(BODY[20:]),
    "gzip, identity": gzip.compress(BODY) + b"\0\0",
    "x-gzip": gzip.compress(BODY),
    "deflate": zlib.compress(BODY),
    "Deflate": RAW_DEFLATE.compress(BODY) + RAW_DEFLATE.flush(),
    "deflate, gzip": gzip.compress(zlib.compress(BODY)),
    "": gzip.compress(BODY),
}


@pytest.mark.parametrize("encoding", list(COMPRESSED))
@pytest.mark.parametrize("signed_plain", [False, True])
async def test_a_compressed_callback_is_stored_decompressed(
    url: str, http: aiohttp.ClientSession, databases: Databases, encoding: str, signed_plain: bool
) -> None:
    sent = COMPRESSED[encoding]
    headers = sign(BODY if signed_plain else sent)
    if encoding:
        headers["Content-Encoding"] = encoding
    async with http.post(url, data=sent, headers=headers) as answer:
        assert answer.status == 200
    (row,) = await stored(databases)
    assert (row["body"], row["event_type"]) == (BODY, "FirstAttachment")


@pytest.mark.parametrize(
    "bomb",
    [
        gzip.compress(b" " * 10_000_000),
        gzip.compress(b" " * 1_000) * 2_000,
        gzip.compress(BODY) + b"x",
        gzip.compress(BODY) + gzip.compress(BODY)[:-9],
        gzip.compress(BODY) + zlib.compress(BODY),
    ],
    ids=["one member", "many members", "other bytes", "an incomplete member", "another encoding"],
)
async def test_a_body_that_cannot_be_decompressed_within_the_limit_is_stored_compressed(
    url: str, http: aiohttp.ClientSession, databases: Databases, bomb: bytes
) -> None:
    headers = sign(bomb) | {"Content-Encoding": "gzip"}
    async with http.post(url, data=bomb, headers=headers) as answer:
        assert answer.status == 200
    async with http.post(url, data=bomb, headers=headers | sign(BODY)) as answer:
        assert answer.status == 401
    (row,) = await stored(databases)
    assert (row["body"], row["event_type"]) == (bomb, "unknown")
    problem = await databases.admin.fetchval("select last_error from webhooks.deliveries")
    assert problem == "not JSON, or in an unknown compression"


async def test_a_body_that_was_compressed_many_times_is_stored_compressed(
    url: str, http: aiohttp.ClientSession, databases: Databases
) -> None:
    body = BODY
    for _ in range(MAX_ENCODINGS + 1):
        body = gzip.compress(body)
    encoding = ", ".join(["gzip"] * (MAX_ENCODINGS + 1))
    headers = sign(body) | {"Content-Encoding": encoding}
    async with http.post(url, data=body, headers=headers) as answer:
        assert answer.status == 200
    (row,) = await stored(databases)
    assert (row["body"], row["event_type"]) == (body, "unknown")
