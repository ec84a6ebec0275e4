import random

import pytest

from services.catalogue.snapshot.bits import STEP, Prefixes, bits_of, downwards, upwards

SIZES = [1, 7, 8, 9, 64, 1_000]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("share", [0, 0.02, 0.5, 1])
def test_positions_are_ordered_from_any_start(size: int, share: float) -> None:
    rng = random.Random(size)
    held = {position for position in range(size) if rng.random() < share}
    bits = bits_of(held, size)
    assert bits.bit_count() == len(held)
    for bound in {0, 1, size // 2, size - 1, size}:
        assert list(upwards(bits, bound)) == sorted(p for p in held if p >= bound)
        assert list(downwards(bits, bound)) == sorted((p for p in held if p < bound), reverse=True)


@pytest.mark.parametrize("size", [0, 1, STEP - 1, STEP, STEP + 1, 3 * STEP + STEP // 2 + 5])
def test_a_prefix_holds_the_first_positions_of_a_sequence(size: int) -> None:
    positions = random.Random(7).sample(range(size), size)
    prefixes = Prefixes(positions)
    counts = {0, 1, STEP - 1, STEP, STEP + 1, 2 * STEP, size // 2, size - 1, size}
    for count in counts & set(range(size + 1)):
        assert prefixes.first(count) == bits_of(positions[:count], size), count
