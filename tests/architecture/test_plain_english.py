"""Documents and texts of the API and the command line avoid words that are always wrong or archaic."""

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from cli.commands import esimgo

ROOT = Path(__file__).parents[2]

# Each word or phrase with the standard term. Words that are right in some sentences don't belong here.
REPLACEMENTS = {
    r"nought": "zero",
    r"anew": "again",
    r"likewise": "the same way, or repeat the sentence",
    r"whoever": "the caller, any client",
    r"nobody": "no client, or the actual subject",
    r"of (?:its|their|his|her) own": "own, dedicated",
    r"by (?:itself|themselves)": "automatically",
    r"own words": "free-text reference",
    r"at most so (?:many|much)": "maximum number of",
}
WRONG = re.compile(rf"\b(?:{'|'.join(REPLACEMENTS)})\b", re.IGNORECASE)

FILES = [
    ROOT / "schema.graphql",
    ROOT / ".env.example",
    *sorted(ROOT.glob("*.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "protos").rglob("*.proto")),
]


def helps(command: click.Command, path: str) -> Iterator[tuple[str, str]]:
    """Yield the help page of a command and of all commands below it."""
    with click.Context(command, info_name=path) as context:
        yield path, command.get_help(context)
    if isinstance(command, click.Group):
        for name, below in command.commands.items():
            yield from helps(below, f"{path} {name}")


PAGES = dict(helps(esimgo, "esimgo"))


def wrong(text: str) -> list[str]:
    """Return the words of the text that must be replaced, also across line ends and comment signs."""
    return WRONG.findall(re.sub(r"\s*\n[ \t]*(?://|#)?[ \t]*", " ", text))


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_a_file_that_users_read_uses_standard_terms(file: Path) -> None:
    assert wrong(file.read_text()) == []


@pytest.mark.parametrize("page", PAGES)
def test_the_help_of_a_command_uses_standard_terms(page: str) -> None:
    assert wrong(PAGES[page]) == []


@pytest.mark.parametrize(
    "text",
    [
        "Counts from nought.",
        "// It needs a connection of\n// its own.",
        "Retried by\n# itself.",
        "For Whoever reads it.",
    ],
)
def test_a_banned_term_is_found_across_lines(text: str) -> None:
    assert len(wrong(text)) == 1
