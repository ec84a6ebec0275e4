"""The worked example of docs/organizations.md, typed word for word against `esimgo up`."""

from pathlib import Path

import pytest

from tests.fixtures.local.one_machine import Starting
from tests.fixtures.local.typed_pages import compare, section_of, steps_of, typed

SECTION = section_of("organizations.md", "A company, step by step")
FILES = ("travelers.csv", "batch.json", "fair.zip")


def test_every_command_of_the_example_shows_its_output() -> None:
    assert len(steps_of(SECTION)) == SECTION.count("```sh") > 6


@pytest.mark.slow
async def test_a_company_goes_from_its_invitation_to_its_statement(
    starting: Starting, tmp_path: Path
) -> None:
    expected = steps_of(SECTION)
    async with starting() as up:
        await up.until("myESIMs")
        outputs = await typed([commands for commands, _ in expected], up, tmp_path, *FILES)
        assert await up.stop() == 0
    compare(expected, outputs)
