"""Resource limits of an HTTP server: at each limit it serves, and beyond it refuses with a message."""

import asyncio
import logging
from dataclasses import replace

import pytest

from kit.http.connection import Connection
from kit.http.guard import GuardedConnection
from kit.http.pieces import PIECE
from kit.http.settings import HTTPSettings
from tests.fixtures.http_served import BYTES, GET, LARGE, TRUSTED, Serve
from tests.fixtures.patience import PATIENCE, until

# Its patch of aiohttp affects the whole process.
pytestmark = pytest.mark.filterwarnings("ignore:Overriding the .event_loop_policy. fixture")
MAX_HEAD = HTTPSettings().max_head
# A request whose body has begun.
CHUNKED = b"POST /small HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"
# Each test shortens only the time that it is about: a busy machine may use up any other.
PATIENT = HTTPSettings(
    header_seconds=PATIENCE, body_seconds=PATIENCE, idle_seconds=PATIENCE, send_seconds=PATIENCE
)


def is_received(connection: GuardedConnection) -> bool:
    """True if the head of a request was received."""
    return isinstance(connection, Connection) and connection._has_request


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"G",
        GET,
        GET + b"X-A: b\r\n",
        b"\r\n",
        b"POST /small HTTP/1.1\r\nContent-Length: 9\r\n",
    ],
)
async def test_request_headers_that_do_not_arrive_in_time_are_refused(
    serve: Serve, caplog: pytest.LogCaptureFixture, sent: bytes
) -> None:
    caplog.set_level(logging.INFO)
    # Long enough for the request to be read first.
    async with serve(replace(PATIENT, header_seconds=1.0)) as served:
        wire = await served.connect()
        wire.writer.write(sent)
        status, body = await wire.answer()
        assert (status, body["code"]) == (408, "REQUEST_TIMEOUT")
        assert "did not arrive in time" in body["error"]
        assert await wire.ended() == b""
    assert "refused by the limit header_seconds" in caplog.text


async def test_slow_request_headers_are_refused_on_any_request_of_a_connection(
    serve: Serve,
) -> None:
    async with serve(PATIENT) as served:
        wire = await served.connect()
        assert (await wire.ask())[0] == 200
        served.guard.settings = replace(PATIENT, header_seconds=0.2)

        async def trickle() -> None:
            for byte in GET + b"X-Long: " + b"a" * 10_000:
                wire.writer.write(bytes([byte]))
                await asyncio.sleep(0.02)

        trickling = asyncio.create_task(trickle())
        assert (await wire.answer())[0] == 408
        trickling.cancel()


async def test_an_idle_connection_between_requests_is_closed(serve: Serve) -> None:
    async with serve(replace(PATIENT, idle_seconds=0.3)) as served:
        wire = await served.connect()
        assert (await wire.ask())[0] == 200
        assert await wire.ended() == b""
        await until(lambda: not served.guard._open)


async def test_a_connection_with_an_incomplete_unread_body_is_closed(serve: Serve) -> None:
    async with serve(replace(PATIENT, idle_seconds=0.3)) as served:
        served.release.set()
        wire = await served.connect()
        # aiohttp drains the rest of a body before it closes.
        assert (await wire.ask(b"POST /held HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\na"))[
            0
        ] == 200
        assert await wire.ended() == b""


async def test_a_client_that_leaves_before_its_body_was_received_is_no_error(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    async with serve(HTTPSettings()) as served:
        wire = await served.connect()
        wire.writer.write(b"POST /small HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc")
        await until(lambda: any(is_received(one) for one in served.guard._open))
        wire.abort()
        await until(lambda: not served.guard._open)
    assert not [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]


async def test_a_malformed_body_is_refused_at_once_and_ends_the_connection(serve: Serve) -> None:
    async with serve(HTTPSettings()) as served:
        wire = await served.connect()
        wire.writer.write(CHUNKED)
        await until(lambda: any(is_received(one) for one in served.guard._open))
        wire.writer.write(b"zz\r\n")
        status, body = await wire.answer()
        assert (status, body["code"]) == (400, "BAD_REQUEST")
        assert await wire.ended() == b""


async def test_a_malformed_body_that_is_not_read_ends_the_connection(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    async with serve(HTTPSettings()) as served:
        served.release.set()
        wire = await served.connect()
        assert await wire.ask(CHUNKED.replace(b"small", b"held")) == (200, {})
        wire.writer.write(b"zz\r\n")
        assert await wire.ended() == b""
    assert not [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]


async def test_a_malformed_body_is_refused_when_its_pipelined_request_starts(serve: Serve) -> None:
    async with serve(HTTPSettings()) as served:
        wire = await served.connect()
        wire.writer.write(GET.replace(b"small", b"held") + b"\r\n" + CHUNKED)
        await until(lambda: served.begun == 1)
        (connection,) = served.guard._open
        await until(lambda: bool(connection._messages))  # type: ignore[attr-defined] # aiohttp's own
        _, payload = connection._messages[-1]  # type: ignore[attr-defined] # aiohttp's own
        wire.writer.write(b"zz\r\n")
        await until(payload.is_eof)
        served.release.set()
        assert await wire.answer() == (200, {})
        status, body = await wire.answer()
        assert (status, body["code"]) == (400, "BAD_REQUEST")


async def test_the_size_of_the_request_headers_is_limited(serve: Serve) -> None:
    def request(size: int) -> bytes:
        lines = [b"X-%d: %s\r\n" % (n, b"a" * 4_000) for n in range(20)]
        whole = GET
        while len(whole) + 4_100 < size:
            whole += lines.pop()
        return whole + b"X: " + b"a" * (size - len(whole) - 7)

    async with serve(HTTPSettings()) as served:
        wire = await served.connect()
        assert (await wire.ask(request(MAX_HEAD) + b"\r\n\r\n"))[0] == 200
        for part in (request(MAX_HEAD + 20_000)[:MAX_HEAD], b"a" * 20_000):
            wire.writer.write(part)
        status, body = await wire.answer()
        assert (status, body["code"]) == (431, "REQUEST_HEADER_FIELDS_TOO_LARGE")
        assert str(MAX_HEAD) in body["error"]


async def test_pipelined_requests_are_all_answered_and_few_are_buffered(serve: Serve) -> None:
    async with serve(HTTPSettings()) as served:
        wire = await served.connect()
        post = b"POST /small HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n" + b"a" * 100_000
        wire.writer.write(b"GET /held HTTP/1.1\r\nHost: x\r\n\r\n" + post * 20)
        await until(lambda: served.begun == 1)
        (connection,) = served.guard._open
        await until(lambda: connection._buffer_paused)  # type: ignore[attr-defined] # aiohttp's own
        assert len(connection._messages) < 10  # type: ignore[attr-defined] # aiohttp's own
        served.release.set()
        assert (await wire.answer())[0] == 200
        for _ in range(20):
            assert await wire.answer() == (200, {"bytes": 100_000})


async def test_an_unread_response_is_dropped(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with serve(replace(PATIENT, send_seconds=0.4)) as served:
        wire = await served.connect()
        wire.writer.write(LARGE)
        await until(lambda: served.begun == 1)
        await until(lambda: not served.guard._open)
        assert not served.guard._unsent
        assert len(await wire.ended()) < BYTES
    assert "refused by the limit send_seconds" in caplog.text


async def test_a_response_is_not_copied_for_a_client_that_does_not_read(serve: Serve) -> None:
    async with serve(HTTPSettings()) as served:
        wire = await served.connect()
        wire.writer.write(LARGE)
        await until(lambda: bool(served.guard._unsent))
        (connection,) = served.guard._open
        assert isinstance(connection, Connection)
        assert connection._wire is not None
        assert connection._wire.get_write_buffer_size() < 4 * PIECE
        # All that waits for the client counts, wherever it is.
        assert connection.waiting_bytes() > BYTES // 2
        assert await wire.answer() == (200, bytes(BYTES))
        await until(lambda: not served.guard._unsent)
        assert connection.waiting_bytes() == 0


async def test_the_head_of_a_long_response_has_its_length_and_no_body(serve: Serve) -> None:
    async with serve(HTTPSettings()) as served:
        wire = await served.connect()
        wire.writer.write(LARGE.replace(b"GET", b"HEAD") + GET + b"\r\n")
        head = await wire.reader.readuntil(b"\r\n\r\n")
        assert b"Content-Length: %d\r\n" % BYTES in head
        assert (await wire.answer()) == (200, {"bytes": 0})


async def test_an_unread_response_on_a_closing_connection_is_dropped(
    serve: Serve,
) -> None:
    async with serve(replace(PATIENT, send_seconds=0.4)) as served:
        wire = await served.connect()
        wire.writer.write(LARGE.replace(b"Host", b"Connection: close\r\nHost"))
        await until(lambda: served.begun == 1)
        await until(lambda: not served.guard._open)
        wire.abort()


async def test_a_client_that_reads_slowly_gets_its_response(serve: Serve) -> None:
    async with serve(replace(PATIENT, send_seconds=2)) as served:
        wire = await served.connect()
        wire.writer.write(LARGE)
        head = await wire.reader.readuntil(b"\r\n\r\n")
        assert b"200" in head
        left = BYTES
        while left:
            async with asyncio.timeout(PATIENCE):
                left -= len(await wire.reader.read(min(left, 65_536)))
            await asyncio.sleep(0.01)


async def test_the_address_with_the_most_unread_bytes_is_disconnected(serve: Serve) -> None:
    settings = HTTPSettings(max_unsent=int(3.6 * BYTES), trusted_proxies=TRUSTED)

    def large(client: bytes) -> bytes:
        return LARGE.replace(b"Host", b"X-Forwarded-For: " + client + b"\r\nHost")

    async with serve(settings) as served:
        well_behaved = await served.connect()
        well_behaved.writer.write(large(b"203.0.113.1"))
        await until(lambda: served.begun == 1)
        not_reading = [await served.connect() for _ in range(4)]
        for n, wire in enumerate(not_reading):
            wire.writer.write(large(b"203.0.113.2"))
            await until(lambda n=n: served.begun == n + 2)  # type: ignore[misc] # a lambda's default
        await until(lambda: len(served.guard._open) == 3)
        assert served.guard._total_unsent <= settings.max_unsent
        assert await well_behaved.answer() == (200, bytes(BYTES))
        for wire in not_reading:
            wire.abort()
