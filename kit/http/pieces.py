"""Bodies of responses that are written piece by piece, as fast as the client reads them."""

from typing import Protocol

from aiohttp.abc import AbstractStreamWriter
from aiohttp.payload import Payload

# Bytes that are written before the writer waits for the client; shorter bodies are written at once.
PIECE = 64 * 1024


class Client(Protocol):
    """The part of a connection that pieces use."""

    # Bytes of the current response that were not yet written.
    unwritten: int


class Pieces(Payload):
    """A long body. A transport would copy all that the client does not read at once.

    So any number of slow clients that wait for the same cached response take little memory.
    """

    def __init__(self, body: bytes, client: Client) -> None:
        super().__init__(body)
        self._size = len(body)
        self._client = client

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        """Return the body as text."""
        text: str = self._value.decode(encoding, errors)
        return text

    async def write(self, writer: AbstractStreamWriter) -> None:
        """Write the body; raise ConnectionError if the client disconnects."""
        rest = memoryview(self._value)
        try:
            while rest:
                piece, rest = rest[:PIECE], rest[PIECE:]
                self._client.unwritten = len(rest)
                await writer.write(piece)
                await writer.drain()
        finally:
            self._client.unwritten = 0
