"""Whatever comes in, in whatever pieces: a gateway with the lane answers as one without."""

import asyncio
from collections.abc import Iterable, Sequence

import pytest
from aiohttp import web
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as some

from tests.fixtures.patience import PATIENCE
from tests.fixtures.two_doors import OWN, Doors, get, post

KNOWN = (
    *(post(), get(), post(b"Origin: https://shop.example")),
    post(body=b'{"query":"{ featuredPlans { name } }"}'),
)
HEADERS = some.lists(
    some.sampled_from(
        [
            *(
                b"User-Agent: a",
                b"user-agent:b",
                b"Via: 1",
                b"X-Request-Id: given",
                b"X-Real-Ip:\t1",
            ),
            *(b"Accept: text/html", b"Authorization: Bearer x", b"Cookie: a=b", b"GraphQL-Cost: ?"),
            *(b"Origin: null", b"Sec-Fetch-Site: cross-site", b"If-None-Match: *", b"Expect: x"),
            *(b"Connection: keep-alive", b"Upgrade: h2c", b"X: \xc3\xa9", b"User-Agent: \x01"),
            *(b"Content-Length: 0", b"Transfer-Encoding: chunked", b"Via: a\r\n b", b" Via: a"),
        ]
    ),
    max_size=3,
)
BODIES = some.sampled_from(
    [b"", b"{}", b"[]", b'{"query":"{ regions { name } }"}', b"\r\nVia: a\r\n"]
)
REQUESTS = some.one_of(
    *(some.just(request) for request in KNOWN),
    some.builds(lambda headers: post(*headers), HEADERS),
    some.builds(lambda headers: get(*headers), HEADERS),
    some.builds(lambda body: post(body=body), BODIES),
    some.sampled_from(
        [
            *(
                b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n",
                b"GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n",
            ),
            *(b"OPTIONS /graphql HTTP/1.1\r\nHost: a\r\n\r\n", b"\r\n", b"\x16\x03\x01", b"G"),
            get().replace(b"1.1", b"1.0"),
        ]
    ),
)
LAST = post(b"Connection: close")
# Turns of the loop: more than a kept answer takes, so that the lane is free for the next one.
ENOUGH = 30


@some.composite
def conversations(draw: some.DrawFn) -> list[tuple[bytes, int]]:
    """What is sent, in pieces: mostly a request in each; and how long it is until the next."""
    whole = draw(some.lists(REQUESTS, min_size=1, max_size=6))
    if not draw(some.integers(0, 2)):
        text = b"".join(whole)
        cuts = sorted(draw(some.lists(some.integers(0, len(text)), max_size=5)))
        whole = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    return [(piece, draw(some.sampled_from([ENOUGH, ENOUGH, 0, 1, 3]))) for piece in whole]


class Line(asyncio.Transport):
    """A connection without a network: what is sent comes in as it was cut, and nothing gets lost."""

    def __init__(self, server: web.Server) -> None:
        super().__init__({"peername": ("192.0.2.1", 5)})
        self._protocol = server()
        self._protocol.connection_made(self)
        self.answered = b""
        self.ended = asyncio.Event()

    def get_protocol(self) -> asyncio.BaseProtocol:
        return self._protocol

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.answered += data

    def writelines(self, parts: Iterable[bytes | bytearray | memoryview]) -> None:
        self.answered += b"".join(parts)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Nothing waits here."""

    def get_write_buffer_size(self) -> int:
        return 0

    def is_closing(self) -> bool:
        return self.ended.is_set()

    def close(self) -> None:
        if not self.ended.is_set():
            self.ended.set()
            asyncio.get_running_loop().call_soon(self._protocol.connection_lost, None)

    async def send(self, data: bytes, turns: int) -> None:
        """Sends it, and gives the server so many turns of the loop."""
        if data and not self.ended.is_set():
            self._protocol.data_received(data)
        for _ in range(turns):
            await asyncio.sleep(0)


async def answers(server: web.Server, pieces: Sequence[tuple[bytes, int]]) -> bytes:
    """All that comes back until the connection ends, which its last request asks for."""
    line = Line(server)
    await line.send(b"", ENOUGH)
    for piece, turns in pieces:
        await line.send(piece, turns)
    # What was begun and not ended: enough for every length, and an end of chunks.
    for piece in (LAST, b"\r\n0\r\n\r\n" + LAST * 2):
        await line.send(piece, ENOUGH)
    async with asyncio.timeout(PATIENCE):
        await line.ended.wait()
    return line.answered


@pytest.mark.timeout(600)  # seconds; forty conversations on a machine with other tests
@given(conversations())
@examples(
    max_examples=40,
    suppress_health_check=[HealthCheck.function_scoped_fixture],  # one gateway for all examples
)
async def test_the_answers_are_those_of_a_gateway_without_a_lane(
    doors: Doors, pieces: list[tuple[bytes, int]]
) -> None:
    await doors.teach(*KNOWN)
    found = [await answers(server, pieces) for server in (doors.server, doors.without)]
    assert OWN.sub(b"", found[0]) == OWN.sub(b"", found[1])
