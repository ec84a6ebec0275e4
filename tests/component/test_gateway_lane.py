"""Requests that came before in the same bytes: answered before they are parsed, and as if they were."""

import asyncio
import re

import pytest

from gateway.defence_settings import DefenceSettings
from tests.fixtures.patience import PATIENCE
from tests.fixtures.tracing import Spans, arrives
from tests.fixtures.two_doors import OWN, QUERY, Doors, Wire, get, post

TAG = re.compile(rb"\r\nETag: ([^\r\n]+)")
ID = re.compile(rb"\r\nX-Request-Id: ([^\r\n]+)")


async def both(doors: Doors, request: bytes) -> tuple[bytes, bytes]:
    """The answer of each door, the first by the lane, without what is an answer's own."""
    lane, plain = await doors.wire(), await doors.wire(doors.plain)
    await doors.teach(request)
    before = doors.parsed
    answers = await lane.ask(request), await plain.ask(request)
    assert doors.parsed == before
    for wire in (lane, plain):
        await wire.close()
    return OWN.sub(b"", answers[0]), OWN.sub(b"", answers[1])


@pytest.mark.parametrize(
    "request_",
    [
        post(),
        post(b"Accept: application/graphql-response+json"),
        post(b"Origin: https://shop.example"),
        post(b"Origin: https://elsewhere.example"),
        post(b"User-Agent: a browser", b"X-Forwarded-For: 1.2.3.4", b"Accept-Language: en"),
        post(body=b'{"query": "query A { featuredPlans { id } }", "operationName": "A"}'),
        get(),
        get(b"Sec-Fetch-Site: same-origin"),
        get(b"Origin: https://shop.example"),
    ],
)
async def test_the_lane_answers_byte_for_byte_as_the_long_way(
    doors: Doors, request_: bytes
) -> None:
    by_lane, by_long_way = await both(doors, request_)
    assert by_lane == by_long_way
    assert by_lane.startswith(b"HTTP/1.1 200 OK\r\n")


async def test_who_has_the_answer_is_told_so_by_the_lane_too(doors: Doors) -> None:
    wire = await doors.wire()
    (tag,) = TAG.findall(await wire.ask(get()))
    by_lane, by_long_way = await both(doors, get(b"If-None-Match: " + tag))
    assert by_lane == by_long_way
    assert by_lane.startswith(b"HTTP/1.1 304 Not Modified\r\n")
    await wire.close()


async def test_headers_that_nobody_reads_may_differ_and_others_may_not(doors: Doors) -> None:
    await doors.teach(post(b"User-Agent: one", b"X-Real-Ip: 1.1.1.1"))
    wire = await doors.wire()
    assert await doors.by_lane(wire, post(b"USER-AGENT: another", b"Via: 1.1 proxy"))
    assert await doors.by_lane(wire, post())
    for header in (b"Origin: null", b"X-Unheard-Of: 1", b"Accept: text/html"):
        assert not await doors.by_lane(wire, post(header))
    await wire.close()


async def test_each_answer_has_an_id_which_is_the_senders_if_it_is_fit(doors: Doors) -> None:
    await doors.teach(post())
    wire = await doors.wire()
    before = doors.parsed
    made_up = [ID.findall(await wire.ask(post())) for _ in range(3)]
    assert len({tuple(ids) for ids in made_up}) == 3
    assert all(re.fullmatch(rb"[0-9a-f]{32}", *ids) for ids in made_up)
    assert ID.findall(await wire.ask(post(b"X-Request-Id: mine:1"))) == [b"mine:1"]
    (unfit,) = ID.findall(await wire.ask(post(b"X-Request-Id: mine and yours")))
    assert re.fullmatch(rb"[0-9a-f]{32}", unfit)
    assert doors.parsed == before
    await wire.close()


async def test_what_changed_is_answered_anew_and_then_by_the_lane(doors: Doors) -> None:
    await doors.teach(post())
    doors.name_plans(["three"])
    doors.kept.drop()
    wire = await doors.wire()
    before = doors.parsed
    answers = [await wire.ask(post()) for _ in range(3)]
    assert all(b'"three"' in answer for answer in answers)
    assert doors.parsed == before + 2  # one made the answer, and one had it from the cache
    await wire.close()


@pytest.mark.parametrize(
    "request_",
    [
        post(b"Authorization: Bearer rubbish"),
        post(b"Cookie: a=b"),
        post(b"GraphQL-Cost: ?"),
        post(b"Expect: 100-continue").replace(b"Expect: 100-continue", b"Expect: nothing"),
        post(b"Idempotency-Key: a", body=b'{"query": "{ myESIMs { id } }"}'),
        post(body=b'{"query": "{ featuredPlans(first: 99) { id } }"}'),
        post(body=b'{"query": "{ featuredPlans { id } '.ljust(17_000) + b'}"}'),
    ],
)
async def test_what_may_get_another_answer_is_never_learned(doors: Doors, request_: bytes) -> None:
    wire = await doors.wire()
    for _ in range(3):
        assert not await doors.by_lane(wire, request_)
    await wire.close()


@pytest.mark.parametrize("header", [b"Connection: close", b"Connection: Close, x"])
async def test_who_ends_the_connection_takes_the_long_way(doors: Doors, header: bytes) -> None:
    await doors.teach(post())
    for _ in range(2):
        wire = await doors.wire()
        assert not await doors.by_lane(wire, post(header))
        assert await wire.reader.read() == b""
        await wire.close()


async def test_an_old_client_takes_the_long_way(doors: Doors) -> None:
    old = post(b"Connection: keep-alive").replace(b"HTTP/1.1", b"HTTP/1.0")
    wire = await doors.wire()
    for _ in range(3):
        assert not await doors.by_lane(wire, old)
    await wire.close()


async def test_a_request_in_pieces_is_parsed_and_the_next_may_take_the_lane(doors: Doors) -> None:
    await doors.teach(post())
    wire, before = await doors.wire(), doors.parsed
    head, body = post()[: -len(QUERY)], post()[-len(QUERY) :]
    wire.writer.write(head)
    async with asyncio.timeout(PATIENCE):
        while doors.parsed == before:  # the head has come in by itself
            await asyncio.sleep(0.001)
    await wire.ask(body)
    assert doors.parsed == before + 1
    assert await doors.by_lane(wire, post())
    await wire.close()


async def test_two_at_once_are_parsed_and_so_is_all_that_follows(doors: Doors) -> None:
    await doors.teach(post())
    wire = await doors.wire()
    before = doors.parsed
    await wire.ask(post() * 2)
    await wire.answer()
    assert not await doors.by_lane(wire, post())
    assert doors.parsed == before + 3
    await wire.close()


async def test_who_does_not_read_is_not_sent_more_by_the_lane(doors: Doors) -> None:
    doors.name_plans([f"{number:01000d}" for number in range(50)])
    await doors.teach(post())
    wire, before, sent = await doors.wire(), doors.parsed, 0
    async with asyncio.timeout(PATIENCE):
        while doors.parsed == before:  # until the lane's answers fill all buffers
            wire.writer.write(post())
            sent += 1
            await asyncio.sleep(0)
    for _ in range(sent):
        assert len(await wire.answer()) > 50_000
    await wire.close()


@pytest.mark.parametrize(
    "door_settings", [{"defence": DefenceSettings(address_rate=0.3, user_rate=0)}]
)
async def test_the_lane_counts_for_the_rate_and_leaves_the_refusal_to_the_long_way(
    doors: Doors,
) -> None:
    wire = await doors.wire()
    statuses = [(await wire.ask(post()))[9:12] for _ in range(4)]
    # Three at once are ten seconds' worth; a machine so slow that a fourth has come up may have it.
    assert statuses[:3] == [b"200"] * 3
    assert statuses[3] == b"429" or doors.parsed == 1
    await wire.close()


async def test_a_gateway_that_stops_closes_its_connections(doors: Doors) -> None:
    await doors.teach(post())
    wire = await doors.wire()
    assert await doors.by_lane(wire, post())
    doors.gateway.stopping = True
    answer = await wire.ask(post())
    assert b"\r\nConnection: close\r\n" in answer
    assert await wire.reader.read() == b""
    await wire.close()


async def test_the_lane_keeps_a_connection_open_as_any_answer_does(doors: Doors) -> None:
    await doors.teach(post())
    wire: Wire = await doors.wire()
    await wire.ask(post())
    (connection,) = (c for c in doors.server.connections if c.connected)
    ends = connection._next_keepalive_close_time
    async with asyncio.timeout(PATIENCE):
        while connection._next_keepalive_close_time == ends:
            assert await doors.by_lane(wire, post())
    assert connection._next_keepalive_close_time > ends
    await wire.close()


async def test_a_span_is_made_where_one_is_wanted(doors: Doors, spans: Spans) -> None:
    await doors.teach(post())
    spans.ended.clear()
    wire = await doors.wire()
    traceparent = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    assert await doors.by_lane(wire, post(b"X-Request-Id: mine", b"traceparent: " + traceparent))
    span = await arrives(spans, "POST /graphql")
    assert span.attributes == {
        "http.request.method": "POST",
        "http.route": "/graphql",
        "url.path": "/graphql",
        "url.scheme": "http",
        "http.response.status_code": 200,
        "esimgo.request.id": "mine",
    }
    assert span.parent is None  # a stranger's, who may not say what is recorded
    assert [f"{link.context.span_id:016x}" for link in span.links] == ["00f067aa0ba902b7"]
    await wire.close()
