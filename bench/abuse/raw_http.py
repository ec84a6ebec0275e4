"""Raw connections to an HTTP server, on which an attack sends any bytes."""

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

# Upgrade request to a WebSocket of the gateway.
UPGRADE = (
    b"GET /graphql HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n"
    b"Sec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n"
)
# Seconds before a connection that was refused or dropped is opened again.
PAUSE = 0.1

Attack = Callable[["Connection"], Awaitable[None]]


class Connection:
    """One connection; `answers` counts the responses on all connections."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        answers: Counter[str],
        number: int,
    ) -> None:
        self.reader = reader
        self.writer = writer
        self.answers = answers
        self.number = number

    async def send(self, data: bytes) -> None:
        """Send bytes; raise ConnectionError if the server has closed the connection."""
        self.writer.write(data)
        await self.writer.drain()

    async def head(self) -> bytes:
        """Read and count the head of the next answer, and return it."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        self.answers[head.split(b" ", 2)[1].decode()] += 1
        return head

    async def answer(self) -> None:
        """Read and count the next answer."""
        head = await self.head()
        length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
        await self.reader.readexactly(int(length or 0))

    async def upgrade(self) -> None:
        """Upgrade to a WebSocket; raise ConnectionError if that is refused."""
        await self.send(UPGRADE)
        if b" 101 " not in await self.head():
            raise ConnectionError

    async def closed(self) -> None:
        """Read until the server closes, and count the close code of a WebSocket."""
        last = b""
        while data := await self.reader.read(65_536):
            last = data
        begin = last.rfind(b"\x88")
        if begin >= 0:
            self.answers[f"closed {int.from_bytes(last[begin + 2 : begin + 4])}"] += 1


def post(query: str, **more: Any) -> bytes:
    """Return the bytes of a GraphQL request."""
    body = json.dumps({"query": query, **more}).encode()
    return (
        b"POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
    )


async def attack(address: str, seconds: float, connections: int, act: Attack) -> Counter[str]:
    """Run `act` on that many connections for that long, and count the answers."""
    answers = Counter[str]()
    host, _, port = address.rpartition(":")

    async def one(number: int) -> None:
        while True:
            writer = None
            try:
                reader, writer = await asyncio.open_connection(host, int(port), limit=2**20)
                answers["opened"] += 1
                await act(Connection(reader, writer, answers, number))
            except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
                answers["dropped"] += 1
            finally:
                if writer is not None:
                    writer.transport.abort()
            await asyncio.sleep(PAUSE)

    with suppress(TimeoutError):
        async with asyncio.timeout(seconds), asyncio.TaskGroup() as tasks:
            for number in range(connections):
                tasks.create_task(one(number))
    return answers
