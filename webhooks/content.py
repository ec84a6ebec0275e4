"""Decompresses a callback's body, and computes the digest of its content."""

import hashlib
import json
import zlib
from dataclasses import dataclass
from typing import Any

# zlib's window sizes: gzip or zlib by its own header, and deflate without one.
WITH_HEADER, WITHOUT_HEADER = 47, -15
GZIP_MAGIC = b"\x1f\x8b"
# Compressions of one body; proxies add at most one. Each costs a pass over all bytes, before the signature is
# verified, and a header has room for thousands.
MAX_ENCODINGS = 3
# Members of one gzip file. Each costs a copy of all that follow it.
MAX_MEMBERS = 100


@dataclass(frozen=True, slots=True)
class Content:
    """One body. `plain` is `received` without its compression, or None if it can't be decompressed."""

    received: bytes
    plain: bytes | None

    @property
    def best(self) -> bytes:
        """The plain body, or else the received one."""
        return self.received if self.plain is None else self.plain


def digest(content: Any) -> bytes | None:
    """Return the SHA-256 of JSON content, whatever its white space and order of keys.

    None for content that is nested too deeply to be serialized.
    """
    try:
        text = json.dumps(content, sort_keys=True, separators=(",", ":"), default=str)
    except (ValueError, RecursionError):
        return None
    return hashlib.sha256(text.encode()).digest()


def decode(received: bytes, encoding: str, max_bytes: int) -> Content:
    """Undo a Content-Encoding of gzip or deflate, to at most `max_bytes` bytes; gzip also without the header.

    Other encodings, more than MAX_ENCODINGS, broken data, data followed by something else and larger contents
    have no plain form.
    """
    names = [name.strip().lower() for name in encoding.split(",")]
    names = [name for name in names if name not in ("", "identity")]
    if not names and received.startswith(GZIP_MAGIC):
        names = ["gzip"]
    if len(names) > MAX_ENCODINGS:
        return Content(received, None)
    plain: bytes | None = received
    for name in reversed(names):
        if plain is None or name not in ("gzip", "x-gzip", "deflate"):
            return Content(received, None)
        inflated = _inflate(plain, WITH_HEADER, max_bytes)
        plain = _inflate(plain, WITHOUT_HEADER, max_bytes) if inflated is None else inflated
    return Content(received, plain)


def _inflate(data: bytes, window: int, max_bytes: int) -> bytes | None:
    """Decompress all of the data; None if it is broken, too large, or followed by something else.

    A gzip file may have several members, which are decompressed to one content.
    """
    rest, plain = data, b""
    for _ in range(MAX_MEMBERS):
        machine = zlib.decompressobj(window)
        try:
            # One byte more than allowed, as a limit of zero would mean none.
            plain += machine.decompress(rest, max_bytes + 1 - len(plain))
        except zlib.error:
            return None
        if not machine.eof or len(plain) > max_bytes:
            return None
        rest = machine.unused_data.lstrip(b"\0")  # gzip ignores padding with zeros
        if not rest:
            return plain
        if not (data.startswith(GZIP_MAGIC) and rest.startswith(GZIP_MAGIC)):
            return None
    return None
