"""The worked example of docs/prices.md, typed word for word against `esimgo up`."""

import asyncio
import re
import sys
from pathlib import Path

import pytest

from tests.fixtures.one_machine import Starting, Up
from tests.fixtures.patience import PATIENCE

ROOT = Path(__file__).parents[2]
SECTION = re.compile(r"^## A small shop$(.*?)^## ", re.MULTILINE | re.DOTALL)
STEP = re.compile(r"^```sh\n(.*?)^```\n\n```text\n(.*?)^```$", re.MULTILINE | re.DOTALL)
END = "--- end of a step ---"


def steps() -> list[tuple[str, str]]:
    """Return the commands of the example, with the output that the page shows for each."""
    section = SECTION.search((ROOT / "docs" / "prices.md").read_text())
    assert section is not None
    return STEP.findall(section[1])


def pattern_of(shown: str) -> str:
    """Return a pattern for an output in which `...` stands for anything in a line."""
    return r"[^\n]*".join(re.escape(part) for part in shown.split("..."))


async def typed(commands: list[str], up: Up, folder: Path) -> list[str]:
    """Run the commands in one shell, and return the output of each step."""
    script = f"\necho; echo '{END}'\n".join(commands)
    # The page's reader is in the project's folder, with the usual ports.
    script = script.replace("./esimgo", f"{sys.executable} -m cli").replace(
        "localhost:4000", f"localhost:{up.environment['GATEWAY_PORT']}"
    )
    script = script.replace("my-prices.json", f"{folder}/my-prices.json")
    shell = await asyncio.create_subprocess_exec(
        *("bash", "-ec", script),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=up.environment,
        cwd=ROOT,
    )
    out, _ = await asyncio.wait_for(shell.communicate(), 3 * PATIENCE)
    assert shell.returncode == 0, out.decode()
    return out.decode().split(f"{END}\n")


def test_every_command_of_the_example_shows_its_output() -> None:
    section = SECTION.search((ROOT / "docs" / "prices.md").read_text())
    assert section is not None
    assert len(steps()) == section[1].count("```sh") > 7


@pytest.mark.slow
async def test_the_example_works_word_for_word(starting: Starting, tmp_path: Path) -> None:
    expected = steps()
    async with starting() as up:
        await up.until("myESIMs")
        outputs = await typed([commands for commands, _ in expected], up, tmp_path)
        assert await up.stop() == 0
    for (commands, shown), output in zip(expected, outputs, strict=True):
        # Answers of curl end without a line break.
        lines = "\n".join(line for line in output.splitlines() if line) + "\n"
        wanted = "\n".join(line for line in shown.splitlines() if line) + "\n"
        assert re.fullmatch(pattern_of(wanted), lines), f"{commands}\n{output}"
