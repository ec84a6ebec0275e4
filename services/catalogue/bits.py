"""Sets of positions as bits of a number: 100,000 take 12.5 kB, and two are compared in microseconds."""

import re
from collections.abc import Iterable, Iterator, Sequence

# The positions of the bits that are set, of each byte there is.
SET = [[bit for bit in range(8) if byte >> bit & 1] for byte in range(256)]
SOME = re.compile(rb"[^\0]", re.DOTALL)
# Rows from one rung to the next: half of them are set one by one, in a tenth of a millisecond.
RUNG = 1024


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


class Ladder:
    """The sets of the first one, two, three, ... of a sequence of positions."""

    def __init__(self, positions: Sequence[int]) -> None:
        self._positions = positions
        self._rungs = [0]
        for start in range(0, len(positions), RUNG):
            more = bits_of(positions[start : start + RUNG], len(positions))
            self._rungs.append(self._rungs[-1] | more)

    def first(self, count: int) -> int:
        """The set of the first `count`: the nearest rung, and the way from there."""
        rung = min((count + RUNG // 2) // RUNG, len(self._rungs) - 1)
        near = min(rung * RUNG, len(self._positions))
        between = self._positions[min(near, count) : max(near, count)]
        return self._rungs[rung] ^ bits_of(between, len(self._positions))
