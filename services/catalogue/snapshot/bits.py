"""Sets of positions as bits of a number: 100,000 take 12.5 kB, and two are compared in microseconds."""

import re
from collections.abc import Iterable, Iterator, Sequence

# The positions of the bits that are set, of each byte there is.
SET = [[bit for bit in range(8) if byte >> bit & 1] for byte in range(256)]
SOME = re.compile(rb"[^\0]", re.DOTALL)
# Positions between two stored prefixes: the rest is set one by one, in a tenth of a millisecond.
STEP = 512


def bits_of(positions: Iterable[int], size: int) -> int:
    """The set of these positions, each below `size`."""
    held = bytearray(size // 8 + 1)
    for position in positions:
        held[position >> 3] |= 1 << (position & 7)
    return int.from_bytes(held, "little")


def upwards(bits: int, start: int) -> Iterator[int]:
    """The positions from `start` on, in their order."""
    rest = bits >> start
    held = rest.to_bytes(rest.bit_length() // 8 + 1, "little")
    for found in SOME.finditer(held):
        first = start + 8 * found.start()
        for bit in SET[held[found.start()]]:
            yield first + bit


def downwards(bits: int, end: int) -> Iterator[int]:
    """The positions below `end`, the last one first."""
    rest = bits & ((1 << end) - 1)
    held = rest.to_bytes(rest.bit_length() // 8 + 1, "big")
    for found in SOME.finditer(held):
        first = 8 * (len(held) - 1 - found.start())
        for bit in reversed(SET[held[found.start()]]):
            yield first + bit


class Prefixes:
    """The sets of the first one, two, three, ... positions of a sequence; every 512th is stored."""

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
