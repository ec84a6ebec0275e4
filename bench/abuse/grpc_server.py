"""Attacks on a gRPC service, from loopback and without a session, each bounded in time and count."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable

from bench.abuse import http2
from bench.abuse.http2 import Caller
from protos.catalogue.v1 import catalogue_pb2 as pb

LIST_PLANS = "/catalogue.v1.CatalogueService/ListPlans"
WATCH_REVISION = "/catalogue.v1.CatalogueService/WatchRevision"
CHECK = "/grpc.health.v1.Health/Check"
EVERYTHING = pb.ListPlansRequest(page_size=10_000).SerializeToString()
# Number of connections, and of calls on each.
CONNECTIONS, STREAMS = 4, 100
# Seconds between two calls of a connection that floods.
PAUSE = 0.002

Act = Callable[[Caller], Awaitable[None]]


async def unread_answers(address: str, seconds: float) -> Counter[str]:
    """Request the whole catalogue on every stream and read one byte of each answer.

    Bound: bytes of unread answers.
    """

    async def act(caller: Caller) -> None:
        for number in range(STREAMS):
            stream = 2 * number + 1
            await caller.send(http2.headers(stream, LIST_PLANS) + http2.request(stream, EVERYTHING))
        await caller.closed.wait()

    return await _attack(address, seconds, CONNECTIONS, 1, act)


async def unread_answers_on_many_connections(address: str, seconds: float) -> Counter[str]:
    """The same, on a hundred connections with eight calls each.

    Bound: the same, when no connection has more than its share.
    """

    async def act(caller: Caller) -> None:
        for stream in range(1, 17, 2):
            await caller.send(http2.headers(stream, LIST_PLANS) + http2.request(stream, EVERYTHING))
        await caller.closed.wait()

    return await _attack(address, seconds, 100, 1, act)


async def heavy_calls(address: str, seconds: float) -> Counter[str]:
    """Request the whole catalogue repeatedly, and read the answers.

    Bound: concurrent calls without a session, and their priority.
    """

    async def act(caller: Caller) -> None:
        stream = 1
        while not caller.closed.is_set():
            for _ in range(STREAMS // 4):
                await caller.send(
                    http2.headers(stream, LIST_PLANS) + http2.request(stream, EVERYTHING)
                )
                stream += 2
            await asyncio.sleep(1)

    return await _attack(address, seconds, CONNECTIONS, http2.LARGEST_WINDOW, act)


async def silent_calls(address: str, seconds: float) -> Counter[str]:
    """Open calls and never send their requests.

    Bound: unfinished calls without a session, and the time to send a request.
    """

    async def act(caller: Caller) -> None:
        for number in range(STREAMS):
            await caller.send(http2.headers(2 * number + 1, LIST_PLANS))
        await caller.closed.wait()

    return await _attack(address, seconds, 20 * CONNECTIONS, 65_535, act)


async def large_requests(address: str, seconds: float) -> Counter[str]:
    """Announce requests of 4 MB and send all but the last byte.

    Bound: bytes of a request.
    """
    size, part = 4_000_000, bytes(16_000)

    async def one(caller: Caller, stream: int) -> None:
        await caller.send(http2.headers(stream, LIST_PLANS))
        await caller.send_part(stream, b"\x00" + size.to_bytes(4, "big"))
        for _ in range(size // len(part) - 1):
            await caller.send_part(stream, part)

    async def act(caller: Caller) -> None:
        await asyncio.gather(*(one(caller, 2 * number + 1) for number in range(STREAMS)))
        await caller.closed.wait()

    return await _attack(address, seconds, CONNECTIONS, 65_535, act)


async def large_metadata(address: str, seconds: float) -> Counter[str]:
    """Open calls with 1 MB of metadata each, and never send their requests.

    Bound: bytes of metadata.
    """
    extra = [(f"x-{number}", "a" * 16_000) for number in range(60)]

    async def act(caller: Caller) -> None:
        for number in range(STREAMS):
            stream = 2 * number + 1
            whole = http2.headers(stream, LIST_PLANS, extra=extra)[9:]
            for start in range(0, len(whole), 16_000):
                part, last = whole[start : start + 16_000], start + 16_000 >= len(whole)
                kind = http2.HEADERS if start == 0 else http2.CONTINUATION
                flags = http2.END_HEADERS if last else 0
                await caller.send(http2.frame(kind, flags, stream, part))
        await caller.closed.wait()

    return await _attack(address, seconds, CONNECTIONS, 65_535, act)


async def rapid_resets(address: str, seconds: float) -> Counter[str]:
    """Call for the server's health and cancel each call at once.

    Bound: calls of a connection, including cancelled ones that the server has not yet released.
    """

    async def act(caller: Caller) -> None:
        stream = 1
        while not caller.closed.is_set():
            burst = b"".join(
                http2.headers(number, CHECK) + http2.request(number, b"") + http2.reset(number)
                for number in range(stream, stream + 200, 2)
            )
            stream += 200
            await caller.send(burst)
            await asyncio.sleep(PAUSE)

    return await _attack(address, seconds, CONNECTIONS, 65_535, act)


async def endless_streams(address: str, seconds: float) -> Counter[str]:
    """Open streams that never end, and read nothing.

    Bound: unfinished calls without a session.
    """

    async def act(caller: Caller) -> None:
        for number in range(STREAMS):
            stream = 2 * number + 1
            await caller.send(http2.headers(stream, WATCH_REVISION) + http2.request(stream, b""))
        await caller.closed.wait()

    return await _attack(address, seconds, 20 * CONNECTIONS, 0, act)


async def idle_connections(address: str, seconds: float) -> Counter[str]:
    """Open connections and send nothing.

    Bound: connections of a process.
    """

    async def act(caller: Caller) -> None:
        await caller.closed.wait()

    return await _attack(address, seconds, 12_000, 65_535, act)


async def _attack(
    address: str, seconds: float, connections: int, window: int, act: Act
) -> Counter[str]:
    """Run `act` on that many connections; reopen one that the server closes after a moment."""
    answers = Counter[str]()
    stop = asyncio.get_running_loop().time() + seconds

    async def repeat() -> None:
        while True:
            try:
                caller = await Caller.connect(address, window=window)
            except OSError:
                answers["connection refused"] += 1
            else:
                listening = asyncio.create_task(caller.listen())
                try:
                    await act(caller)
                finally:
                    listening.cancel()
                    caller.close()
                    answers.update(caller.answers)
            await asyncio.sleep(0.1)

    async def bounded() -> None:
        try:
            async with asyncio.timeout_at(stop):
                await repeat()
        except TimeoutError:
            pass

    await asyncio.gather(*(bounded() for _ in range(connections)))
    return answers
