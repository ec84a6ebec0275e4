"""Sets of positions as the bits of an int: one of 100,000 takes 12.5 kB, and is compared in microseconds."""

import re
from collections.abc import Iterable, Iterator, Sequence

# The positions of the set bits, by byte value.
BITS_OF_BYTE = [[bit for bit in range(8) if byte >> bit & 1] for byte in range(256)]
NONZERO = re.compile(rb"[^\0]", re.DOTALL)
# Positions between two stored prefixes: the rest is set one by one in a tenth of a millisecond.
STEP = 512


def bits_of(positions: Iterable[int], size: int) -> int:
    """Return the set of these positions, each below `size`."""
    data = bytearray(size // 8 + 1)
    for position in positions:
        data[position >> 3] |= 1 << (position & 7)
    return int.from_bytes(data, "little")


def upwards(bits: int, start: int) -> Iterator[int]:
    """Yield the positions from `start` on, ascending."""
    rest = bits >> start
    data = rest.to_bytes(rest.bit_length() // 8 + 1, "little")
    for found in NONZERO.finditer(data):
        first = start + 8 * found.start()
        for bit in BITS_OF_BYTE[data[found.start()]]:
            yield first + bit


def downwards(bits: int, end: int) -> Iterator[int]:
    """Yield the positions below `end`, descending."""
    rest = bits & ((1 << end) - 1)
    data = rest.to_bytes(rest.bit_length() // 8 + 1, "big")
    for found in NONZERO.finditer(data):
        first = 8 * (len(data) - 1 - found.start())
        for bit in reversed(BITS_OF_BYTE[data[found.start()]]):
            yield first + bit


class Prefixes:
    """Sets of the first n positions of a sequence, for any n; every 512th is precomputed."""

    def __init__(self, positions: Sequence[int]) -> None:
        self._positions = positions
        self._stored = [0]
        for start in range(0, len(positions), STEP):
            more = bits_of(positions[start : start + STEP], len(positions))
            self._stored.append(self._stored[-1] | more)

    def first(self, count: int) -> int:
        """Return the set of the first `count` positions."""
        nearest = count // STEP
        rest = self._positions[nearest * STEP : count]
        return self._stored[nearest] | bits_of(rest, len(self._positions))
