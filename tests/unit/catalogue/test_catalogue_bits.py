"""Sets of positions as bits, against sets."""

import random

import pytest

from services.catalogue.bits import RUNG, Ladder, bits_of, downwards, upwards

SIZES = [1, 7, 8, 9, 64, 1_000]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("share", [0, 0.02, 0.5, 1])
def test_positions_come_in_order_from_wherever_one_begins(size: int, share: float) -> None:
    chance = random.Random(size)
    held = {position for position in range(size) if chance.random() < share}
    bits = bits_of(held, size)
    assert bits.bit_count() == len(held)
    for bound in {0, 1, size // 2, size - 1, size}:
        assert list(upwards(bits, bound)) == sorted(p for p in held if p >= bound)
        assert list(downwards(bits, bound)) == sorted((p for p in held if p < bound), reverse=True)


@pytest.mark.parametrize("size", [0, 1, RUNG - 1, RUNG, RUNG + 1, 3 * RUNG + RUNG // 2 + 5])
def test_the_first_of_a_sequence_are_held_however_many_they_are(size: int) -> None:
    positions = random.Random(7).sample(range(size), size)
    ladder = Ladder(positions)
    counts = {0, 1, RUNG // 2, RUNG // 2 + 1, RUNG, 2 * RUNG - 1, size // 2, size - 1, size}
    for count in counts & set(range(size + 1)):
        assert ladder.first(count) == bits_of(positions[:count], size), count
