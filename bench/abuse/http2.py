"""A gRPC client built from HTTP/2 frames, which can read, send and reset as no library does."""

import asyncio
import struct
from collections import Counter, defaultdict
from collections.abc import Iterable

DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = (
    0,
    1,
    3,
    4,
    6,
    7,
    8,
    9,
)
END_STREAM, ACK, END_HEADERS = 1, 1, 4
HEADER_TABLE_SIZE, INITIAL_WINDOW_SIZE = 1, 4
NO_ERROR, CANCEL = 0, 8
LARGEST_WINDOW = 2**31 - 1
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
# Names of the gRPC codes that a server under attack returns.
CODES = {
    0: "OK",
    1: "CANCELLED",
    4: "DEADLINE_EXCEEDED",
    8: "RESOURCE_EXHAUSTED",
    14: "UNAVAILABLE",
}


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """Encode one frame."""
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def headers(stream: int, method: str, *, extra: Iterable[tuple[str, str]] = ()) -> bytes:
    """Encode the HEADERS frame that opens a call, without compression."""
    fields = [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", method),
        (":authority", "localhost"),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
        *extra,
    ]
    block = b"".join(
        b"\x00" + _text(name.encode()) + _text(value.encode()) for name, value in fields
    )
    return frame(HEADERS, END_HEADERS, stream, block)


def request(stream: int, body: bytes) -> bytes:
    """Encode the DATA frame with the whole request, which ends the client's side."""
    return frame(DATA, END_STREAM, stream, struct.pack(">BI", 0, len(body)) + body)


def reset(stream: int) -> bytes:
    """Encode the frame that cancels a call."""
    return frame(RST_STREAM, 0, stream, struct.pack(">I", CANCEL))


def _text(value: bytes) -> bytes:
    """Encode an HPACK string of less than 16 kB without compression."""
    size = len(value)
    if size < 127:
        return bytes([size]) + value
    size -= 127
    return bytes([127, 128 | size & 127, size >> 7]) + value


class Caller:
    """One connection; `window` is the flow-control window of each answer in bytes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self.answers = Counter[str]()
        self.read = 0
        # Send windows of the connection (0), and of each stream above the initial size.
        self._room = defaultdict[int, int](int, {0: 65_535})
        self._initial = 65_535
        self._more = asyncio.Event()
        self.closed = asyncio.Event()

    @classmethod
    async def connect(cls, address: str, *, window: int = 65_535) -> "Caller":
        """Open a connection to `host:port`. Raise OSError if that is refused."""
        host, _, port = address.rpartition(":")
        caller = cls(*await asyncio.open_connection(host, int(port)))
        # Without a table the server does not compress its header fields.
        settings = struct.pack(">HIHI", HEADER_TABLE_SIZE, 0, INITIAL_WINDOW_SIZE, window)
        # A connection window larger than all answers during an attack.
        whole = frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", LARGEST_WINDOW - 65_535))
        await caller.send(PREFACE + frame(SETTINGS, 0, 0, settings) + whole)
        return caller

    async def send(self, data: bytes) -> None:
        """Send frames; do nothing if the server has closed the connection."""
        if self._writer.is_closing():
            self.closed.set()
        if self.closed.is_set():
            return
        try:
            self._writer.write(data)
            await self._writer.drain()
        except OSError:
            self.closed.set()

    async def send_part(self, stream: int, part: bytes) -> None:
        """Send a part of a request as soon as the server's windows have room for it."""
        while min(self._room[0], self._room[stream] + self._initial) < len(part):
            if self.closed.is_set():
                return
            self._more.clear()
            await self._more.wait()
        for window in (0, stream):
            self._room[window] -= len(part)
        await self.send(frame(DATA, 0, stream, part))

    async def listen(self) -> None:
        """Answer pings and settings, count how calls end, and read no byte of an answer beyond the window."""
        try:
            while True:
                head = await self._reader.readexactly(9)
                payload = await self._reader.readexactly(int.from_bytes(head[:3], "big"))
                await self._take(head[3], head[4], int.from_bytes(head[5:], "big"), payload)
        except (asyncio.IncompleteReadError, OSError):
            self.answers["connection closed"] += 1
        finally:
            self.closed.set()
            self._more.set()

    async def _take(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        if kind == WINDOW_UPDATE:
            self._room[stream] += int.from_bytes(payload, "big")
            self._more.set()
        elif kind == SETTINGS and not flags & ACK:
            for name, value in struct.iter_unpack(">HI", payload):
                if name == INITIAL_WINDOW_SIZE:
                    self._initial = value
            self._more.set()
            await self.send(frame(SETTINGS, ACK, 0))
        elif kind == PING and not flags & ACK:
            await self.send(frame(PING, ACK, 0, payload))
        elif kind == DATA:
            self.read += len(payload)
        elif kind == HEADERS and flags & END_STREAM:
            self.answers[_status(payload)] += 1
        elif kind == RST_STREAM and int.from_bytes(payload, "big") != NO_ERROR:
            self.answers["stream reset"] += 1
        elif kind == GOAWAY:
            self.answers["connection refused further calls"] += 1

    def close(self) -> None:
        """Close the connection without a frame."""
        self._writer.transport.abort()


def _status(block: bytes) -> str:
    """Return the gRPC code in a block of uncompressed trailers."""
    _, found, rest = block.partition(b"grpc-status")
    if not found or len(rest) < 2:
        return "answered"
    digits = rest[1 : 1 + (rest[0] & 127)]
    return CODES.get(int(digits), f"code {digits.decode()}") if digits.isdigit() else "answered"
