"""A name server for one machine: names with several addresses, as a headless service has them."""

import asyncio
import ipaddress
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

# The types and the class of RFC 1035 that callers ask for.
A, INTERNET = 1, 1
# Bytes of a message before its first question.
HEADER = 12
# An answer of our own authority to a question that wanted recursion, and the same without the name.
FOUND, UNKNOWN = 0x8580, 0x8583
# Points to the name in the question, which always begins after the header.
SAME_NAME = 0xC000 | HEADER
# Seconds that an answer may be kept: none, as for a headless service's names in many clusters.
KEPT = 0


class Names(asyncio.DatagramProtocol):
    """The addresses of each name; `authority` is where it answers."""

    def __init__(self) -> None:
        self.addresses: dict[str, list[str]] = {}
        self.authority = ""
        self._transport: asyncio.DatagramTransport | None = None

    def target(self, name: str, port: int) -> str:
        """What a gRPC client is told, so that it asks here for every replica of that name."""
        return f"dns://{self.authority}/{name}:{port}"

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        host, port = transport.get_extra_info("sockname")
        self.authority = f"{host}:{port}"

    def datagram_received(self, data: bytes, sender: Any) -> None:
        assert self._transport is not None
        self._transport.sendto(self.answer(data), sender)

    def answer(self, message: bytes) -> bytes:
        """The answer to a message with one question."""
        name, end = _name(message)
        kind, _ = struct.unpack_from(">HH", message, end)
        found = self.addresses.get(name)
        records = found if found is not None and kind == A else []
        flags = UNKNOWN if found is None else FOUND
        head = message[:2] + struct.pack(">HHHHH", flags, 1, len(records), 0, 0)
        answers = (
            struct.pack(">HHHIH", SAME_NAME, A, INTERNET, KEPT, 4)
            + ipaddress.IPv4Address(address).packed
            for address in records
        )
        return head + message[HEADER : end + 4] + b"".join(answers)


def _name(message: bytes) -> tuple[str, int]:
    """The name asked for, and where its type begins."""
    labels, at = [], HEADER
    while length := message[at]:
        labels.append(message[at + 1 : at + 1 + length].decode())
        at += 1 + length
    return ".".join(labels).lower(), at + 1


@asynccontextmanager
async def serving() -> AsyncIterator[Names]:
    """A name server at a port of its own."""
    transport, names = await asyncio.get_running_loop().create_datagram_endpoint(
        Names, local_addr=("127.0.0.1", 0)
    )
    try:
        yield names
    finally:
        transport.close()
