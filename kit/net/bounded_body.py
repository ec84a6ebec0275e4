"""Bodies of HTTP answers, read within a limit: what is received, and what it decompresses to."""

import asyncio
import zlib

from aiohttp import ClientResponse

# Bytes. What one step may decompress, so that memory is checked against the limit all the time.
STEP = 64 * 1024
# Bytes of decompressed data after which other tasks of the event loop run.
YIELD_AFTER = 512 * 1024
# Compressed streams in one body, one behind the other: beginning one costs far more than its bytes.
MAX_MEMBERS = 100
# Window bits for zlib: a gzip stream, a zlib stream, and a deflate stream without a header.
GZIP, ZLIB, RAW = 31, 15, -15
# RFC 9110: "deflate" is the zlib format, and some servers send it without zlib's header.
DEFLATE_METHOD = 8

# To be sent with a request whose answer is read here, together with `auto_decompress=False`.
ACCEPT_ENCODING = {"Accept-Encoding": "gzip, deflate"}


class UnreadableBodyError(ValueError):
    """A body that is larger than its limit, or not encoded as its headers say."""


async def read(response: ClientResponse, most: int) -> bytes:
    """Return the decompressed body of an answer to a request made with `auto_decompress=False`.

    Raises UnreadableBodyError above `most` bytes, received or decompressed, and for encodings that
    weren't asked for. The rest is not read: leaving the response's block closes the connection.
    """
    encoding = response.headers.get("Content-Encoding", "").strip().lower()
    decoder = _Decoder(encoding, most)
    received = 0
    async for chunk in response.content.iter_any():
        received += len(chunk)
        if received > most:
            raise UnreadableBodyError(f"more than {most} bytes")
        await decoder.feed(chunk)
    return decoder.finish()


class _Decoder:
    """Decompresses a body step by step, and refuses it as soon as it exceeds the limit."""

    def __init__(self, encoding: str, most: int) -> None:
        if encoding not in ("", "identity", "gzip", "x-gzip", "deflate"):
            raise UnreadableBodyError("an encoding that was not requested")
        self._encoding = encoding.removeprefix("x-")
        self._most = most
        self._body = bytearray()
        self._since_yield = 0
        self._members = 0
        self._inflate: zlib._Decompress | None = None

    async def feed(self, chunk: bytes) -> None:
        if self._encoding in ("", "identity"):
            self._take(chunk)
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
        """Decompress at most STEP bytes; return what is left of the data."""
        inflate = self._inflate
        if inflate is None or inflate.eof:
            self._members += 1
            if self._members > MAX_MEMBERS:
                raise UnreadableBodyError(f"more than {MAX_MEMBERS} compressed streams")
            self._inflate = inflate = zlib.decompressobj(self._bits(data[0]))
        part = inflate.decompress(data, STEP)
        self._take(part)
        if not inflate.eof and len(part) == STEP and not inflate.unconsumed_tail:
            self._take(inflate.decompress(b"", STEP))  # what zlib holds back is less than a step
        return inflate.unused_data if inflate.eof else inflate.unconsumed_tail

    def finish(self) -> bytes:
        if self._inflate is not None and not self._inflate.eof:
            raise UnreadableBodyError("the compressed body is truncated")
        return bytes(self._body)

    def _bits(self, first: int) -> int:
        if self._encoding == "gzip":
            return GZIP
        return ZLIB if first & 0x0F == DEFLATE_METHOD else RAW

    def _take(self, part: bytes) -> None:
        if len(self._body) + len(part) > self._most:
            raise UnreadableBodyError(f"more than {self._most} bytes")
        self._body += part
        self._since_yield += len(part)
