"""Attacks on the connections of the gateway and the webhook process, from loopback and without a session.

Each is bounded in time and count. An address is host:port of an HTTP server.
"""

import asyncio
from collections import Counter

from bench.abuse.raw_http import Connection, attack

# More than one address may open: connections, and WebSockets.
MANY, MANY_SOCKETS = 1_000, 400
PING_FRAME = b"\x89\x80\0\0\0\0"
# One part of a message that never ends.
CONTINUATION = b"\x00\x80\0\0\0\0"
PING = b'\x81\x8f\0\0\0\0{"type":"ping"}'


async def slow_heads(address: str, seconds: float) -> Counter[str]:
    """Send the head of a request byte by byte, on as many connections as possible.

    Bound: time of a head, and connections of an address.
    """

    async def act(connection: Connection) -> None:
        await _byte_by_byte(connection, b"GET /healthz HTTP/1.1\r\nX-Long: " + b"x" * 10_000)

    return await attack(address, seconds, MANY, act)


async def slow_bodies(address: str, seconds: float) -> Counter[str]:
    """Send the body of an operation byte by byte.

    Bound: time of a body, and connections of an address.
    """
    return await _slow_bodies(address, seconds, b"/graphql")


async def slow_callbacks(address: str, seconds: float) -> Counter[str]:
    """Send the body of a callback byte by byte. Bound: the same."""
    return await _slow_bodies(address, seconds, b"/webhooks/esim-go")


async def _slow_bodies(address: str, seconds: float, path: bytes) -> Counter[str]:
    head = (
        b" HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 10000\r\n\r\n"
    )

    async def act(connection: Connection) -> None:
        await connection.send(b"POST " + path + head)
        await _byte_by_byte(connection, b" " * 10_000)

    return await attack(address, seconds, MANY, act)


async def idle_connections(address: str, seconds: float) -> Counter[str]:
    """Open connections, make one request on each, and leave them open.

    Bound: connections of an address, and idle time.
    """

    async def act(connection: Connection) -> None:
        await connection.send(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        await connection.answer()
        await connection.closed()

    return await attack(address, seconds, MANY, act)


async def flood_of_requests(address: str, seconds: float) -> Counter[str]:
    """Call /readyz and unknown paths as fast as they are answered, on as many connections as possible.

    Bound: connections of an address, and checks of readiness at a time.
    """

    async def act(connection: Connection) -> None:
        path = (b"/readyz", b"/nothing")[connection.number % 2]
        while True:
            await connection.send(b"GET " + path + b" HTTP/1.1\r\nHost: x\r\n\r\n")
            await connection.answer()

    return await attack(address, seconds, MANY, act)


async def socket_pings(address: str, seconds: float) -> Counter[str]:
    """Flood WebSockets with pings before connection_init: messages on some, control frames on others.

    Bound: messages of a WebSocket.
    """

    async def act(connection: Connection) -> None:
        await connection.upgrade()
        reading = asyncio.create_task(connection.closed())
        try:
            while not reading.done():
                await connection.send((PING, PING_FRAME)[connection.number % 2] * 5_000)
                await asyncio.sleep(0)
        finally:
            reading.cancel()

    return await attack(address, seconds, MANY_SOCKETS, act)


async def socket_frames(address: str, seconds: float) -> Counter[str]:
    """Flood WebSockets with empty parts of one message, which is never complete.

    Bound: bytes read from a WebSocket.
    """

    async def act(connection: Connection) -> None:
        await connection.upgrade()
        await connection.send(b"\x01\x80\0\0\0\0")
        while True:
            await connection.send(CONTINUATION * 40_000)
            await asyncio.sleep(0)

    return await attack(address, seconds, MANY_SOCKETS, act)


async def many_sockets(address: str, seconds: float) -> Counter[str]:
    """Open as many WebSockets as possible, and send nothing.

    Bound: WebSockets of an address, and the time for connection_init.
    """

    async def act(connection: Connection) -> None:
        await connection.upgrade()
        await connection.closed()

    return await attack(address, seconds, MANY, act)


async def _byte_by_byte(connection: Connection, data: bytes) -> None:
    """Send two bytes a second until there is an answer."""
    reading = asyncio.create_task(connection.answer())
    try:
        for byte in data:
            await connection.send(bytes([byte]))
            done, _ = await asyncio.wait({reading}, timeout=0.5)
            if done:
                return reading.result()
    finally:
        reading.cancel()
