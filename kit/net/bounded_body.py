"""Reading of HTTP response bodies within a limit on the received and the decompressed size."""

import asyncio
import zlib

from aiohttp import ClientResponse

# Bytes decompressed at once, between checks of the limit.
STEP = 64 * 1024
# Bytes of decompressed data after which other tasks may run.
YIELD_AFTER = 512 * 1024
# Concatenated compressed streams in one body; starting one costs far more than its bytes.
MAX_MEMBERS = 100
# Window bits for zlib: a gzip stream, a zlib stream, and a deflate stream without a header.
GZIP, ZLIB, RAW = 31, 15, -15
# RFC 9110: "deflate" is the zlib format, but some servers send it without zlib's header.
DEFLATE_METHOD = 8

# Headers of a request whose response is read here, together with `auto_decompress=False`.
ACCEPT_ENCODING = {"Accept-Encoding": "gzip, deflate"}


class UnreadableBodyError(ValueError):
    """A body that exceeds its limit, or is not encoded as its headers say."""


async def read(response: ClientResponse, limit: int) -> bytes:
    """Return the decompressed body of the response to a request made with `auto_decompress=False`.

    Raises UnreadableBodyError above `limit` bytes, received or decompressed, and for encodings that
    weren't requested. The rest is not read: leaving the response's block closes the connection.
    """
    encoding = response.headers.get("Content-Encoding", "").strip().lower()
    decoder = _Decoder(encoding, limit)
    received = 0
    async for chunk in response.content.iter_any():
        received += len(chunk)
        if received > limit:
            raise UnreadableBodyError(f"more than {limit} bytes")
        await decoder.feed(chunk)
    return decoder.finish()


class _Decoder:
    """Decompresses a body in steps, and rejects it as soon as it exceeds the limit."""

    def __init__(self, encoding: str, limit: int) -> None:
        if encoding not in ("", "identity", "gzip", "x-gzip", "deflate"):
            raise UnreadableBodyError("an encoding that was not requested")
        self._encoding = encoding.removeprefix("x-")
        self._limit = limit
        self._body = bytearray()
        self._since_yield = 0
        self._members = 0
        self._inflate: zlib._Decompress | None = None

    async def feed(self, chunk: bytes) -> None:
        if self._encoding in ("", "identity"):
            self._append(chunk)
            return
        try:
            while chunk:
                chunk = self._step(chunk)
                if self._since_yield >= YIELD_AFTER:
                    self._since_yield = 0
                    await asyncio.sleep(0)
        except zlib.error as error:
            raise UnreadableBodyError("not compressed as its headers claim") from error

    def _step(self, data: bytes) -> bytes:
        """Decompress at most STEP bytes, and return the remaining data."""
        inflate = self._inflate
        if inflate is None or inflate.eof:
            self._members += 1
            if self._members > MAX_MEMBERS:
                raise UnreadableBodyError(f"more than {MAX_MEMBERS} compressed streams")
            self._inflate = inflate = zlib.decompressobj(self._bits(data[0]))
        part = inflate.decompress(data, STEP)
        self._append(part)
        if not inflate.eof and len(part) == STEP and not inflate.unconsumed_tail:
            self._append(
                inflate.decompress(b"", STEP)
            )  # what zlib still buffers is less than a step
        return inflate.unused_data if inflate.eof else inflate.unconsumed_tail

    def finish(self) -> bytes:
        if self._inflate is not None and not self._inflate.eof:
            raise UnreadableBodyError("the compressed body is truncated")
        return bytes(self._body)

    def _bits(self, first: int) -> int:
        if self._encoding == "gzip":
            return GZIP
        return ZLIB if first & 0x0F == DEFLATE_METHOD else RAW

    def _append(self, part: bytes) -> None:
        if len(self._body) + len(part) > self._limit:
            raise UnreadableBodyError(f"more than {self._limit} bytes")
        self._body += part
        self._since_yield += len(part)
