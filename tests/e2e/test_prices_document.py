"""The worked example of docs/prices.md, typed word for word against `esimgo up`."""

from pathlib import Path

import pytest

from tests.fixtures.local.one_machine import Starting
from tests.fixtures.local.typed_pages import compare, section_of, steps_of, typed

SECTION = section_of("prices.md", "A small shop")


def test_every_command_of_the_example_shows_its_output() -> None:
    assert len(steps_of(SECTION)) == SECTION.count("```sh") > 7


@pytest.mark.slow
async def test_the_example_works_word_for_word(starting: Starting, tmp_path: Path) -> None:
    expected = steps_of(SECTION)
    async with starting() as up:
        await up.until("myESIMs")
        commands = [commands for commands, _ in expected]
        outputs = await typed(commands, up, tmp_path, "my-prices.json")
        assert await up.stop() == 0
    compare(expected, outputs)
