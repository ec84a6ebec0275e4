"""Where requests begin and end, beside what aiohttp's own parser makes of the same bytes."""

import asyncio

import pytest
from aiohttp.base_protocol import BaseProtocol
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.http_parser import HttpRequestParser
from hypothesis import given
from hypothesis import strategies as some

from gateway.framing import LONGEST_HEAD, Framing

POST = b"POST /graphql HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"
GET = b"GET /graphql HTTP/1.1\r\nHost: a\r\n\r\n"
NAMES = [
    "Content-Length",
    "content-length ",
    "Transfer-Encoding",
    "Upgrade",
    "Connection",
    "X",
    " X",
]
VALUES = [
    "0",
    "3",
    " 3 ",
    "+3",
    "3, 3",
    "03",
    "chunked",
    "websocket",
    "close",
    "upgrade",
    "x\n",
    "",
]


@some.composite
def requests(draw: some.DrawFn) -> bytes:
    """Mostly well-formed ones, and some that no client sends."""
    method = draw(some.sampled_from(["GET", "POST", "POST", "HEAD", "PUT", "CONNECT", ""]))
    version = draw(some.sampled_from(["HTTP/1.1"] * 6 + ["HTTP/1.0", ""]))
    line_end = draw(some.sampled_from(["\r\n"] * 6 + ["\n", "\r"]))
    lines = [f"{method} /graphql {version}", "Host: a"]
    for name in draw(some.lists(some.sampled_from(NAMES), max_size=2)):
        lines.append(f"{name}:{draw(some.sampled_from(VALUES))}")
    if draw(some.booleans()):
        lines.append("Content-Length: 3")
    body = draw(some.sampled_from(["", "abc", "abc", "abcd", "3\r\nabc\r\n0\r\n\r\n"]))
    return (line_end.join(lines) + line_end * 2 + body).encode()


@some.composite
def chunks(draw: some.DrawFn) -> list[bytes]:
    """The bytes of a connection as they come in: mostly a request at a time."""
    whole = draw(some.lists(some.one_of(some.just(POST), some.just(GET), requests()), max_size=4))
    if draw(some.booleans()):
        return whole
    text = b"".join(whole)
    cuts = sorted(draw(some.lists(some.integers(0, len(text)), max_size=4)))
    return [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]


@given(chunks())
def test_what_is_between_requests_has_left_nothing_in_the_parser(arriving: list[bytes]) -> None:
    loop = asyncio.new_event_loop()
    try:
        parser = HttpRequestParser(BaseProtocol(loop), loop, 2**16)
        framing, sent = Framing(), 0
        for chunk in arriving:
            try:
                messages, upgraded, _ = parser.feed_data(chunk)
            except HttpProcessingError:
                return  # the connection ends with that
            framing.follow(chunk)
            sent += len(messages)
            if not framing.between:
                continue
            assert not upgraded
            assert all(payload.is_eof() for _, payload in messages)
            # Whatever was left behind would become a part of this one.
            ((message, payload),), upgraded, _ = parser.feed_data(GET)
            assert (message.method, message.path, len(message.headers)) == ("GET", "/graphql", 1)
            assert not upgraded
            assert payload.is_eof()
    finally:
        loop.close()


@pytest.mark.parametrize(
    "pieces", [[POST], [GET], [POST[:20], POST[20:]], [POST[:-3], POST[-3:-1], POST[-1:]]]
)
def test_a_request_may_come_in_pieces(pieces: list[bytes]) -> None:
    framing = Framing()
    for piece in pieces[:-1]:
        framing.follow(piece)
        assert not framing.between
    framing.follow(pieces[-1])
    assert framing.between
    framing.follow(b"")
    assert framing.between


@pytest.mark.parametrize(
    "doubtful",
    [
        POST + GET,
        POST + b"G",
        POST.replace(b"3", b"3, 3"),
        POST.replace(b"Host: a", b"Content-Length: 3"),
        POST.replace(b"Host: a", b"Transfer-Encoding: chunked"),
        GET.replace(b"Host: a", b"Upgrade: websocket"),
        GET.replace(b"1.1", b"1.0"),
        GET.replace(b"Host: a", b"Host: a\nX: b"),
        GET.replace(b"GET", b"CONNECT"),
        b"GET /" + b"a" * LONGEST_HEAD,
    ],
)
def test_after_a_doubt_it_is_never_sure_again(doubtful: bytes) -> None:
    framing = Framing()
    for chunk in (doubtful, POST, GET):
        framing.follow(chunk)
        assert not framing.between
