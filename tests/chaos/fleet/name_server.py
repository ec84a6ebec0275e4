"""A name server for one machine: names with several addresses, as of a headless Service."""

import asyncio
import ipaddress
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

# The record types and the class of RFC 1035 that callers query.
A, INTERNET = 1, 1
# Bytes of the header before the first question.
HEADER = 12
# An authoritative response to a recursive question, and the same for an unknown name.
FOUND, UNKNOWN = 0x8580, 0x8583
# A pointer to the name in the question, which always follows the header.
SAME_NAME = 0xC000 | HEADER
# Time to live in seconds: zero, as for a headless Service in many clusters.
TTL = 0


class NameServer(asyncio.DatagramProtocol):
    """The addresses of each name; `authority` is the server's own address."""

    def __init__(self) -> None:
        self.addresses: dict[str, list[str]] = {}
        self.authority = ""
        self._transport: asyncio.DatagramTransport | None = None

    def target(self, name: str, port: int) -> str:
        """Return a gRPC target that resolves the name here."""
        return f"dns://{self.authority}/{name}:{port}"

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        host, port = transport.get_extra_info("sockname")
        self.authority = f"{host}:{port}"

    def datagram_received(self, data: bytes, sender: Any) -> None:
        assert self._transport is not None
        self._transport.sendto(self.answer(data), sender)

    def answer(self, message: bytes) -> bytes:
        """Answer a message with one question."""
        name, end = _name(message)
        kind, _ = struct.unpack_from(">HH", message, end)
        found = self.addresses.get(name)
        records = found if found is not None and kind == A else []
        flags = UNKNOWN if found is None else FOUND
        head = message[:2] + struct.pack(">HHHHH", flags, 1, len(records), 0, 0)
        answers = (
            struct.pack(">HHHIH", SAME_NAME, A, INTERNET, TTL, 4)
            + ipaddress.IPv4Address(address).packed
            for address in records
        )
        return head + message[HEADER : end + 4] + b"".join(answers)


def _name(message: bytes) -> tuple[str, int]:
    """Return the name in the question, and where its type begins."""
    labels, at = [], HEADER
    while length := message[at]:
        labels.append(message[at + 1 : at + 1 + length].decode())
        at += 1 + length
    return ".".join(labels).lower(), at + 1


@asynccontextmanager
async def serving() -> AsyncIterator[NameServer]:
    """Run a name server on its own port."""
    transport, names = await asyncio.get_running_loop().create_datagram_endpoint(
        NameServer, local_addr=("127.0.0.1", 0)
    )
    try:
        yield names
    finally:
        transport.close()
