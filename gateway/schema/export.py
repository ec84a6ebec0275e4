"""Command that writes the schema to schema.graphql or, with --check, verifies that the file is current."""

import sys
from pathlib import Path

from gateway.schema.assembly import build

FILE = Path(__file__).parents[2] / "schema.graphql"
# Arbitrary: the limit is not part of the SDL.
DEPTH = 12


def sdl() -> str:
    """Return the schema in SDL, with the directives of Apollo Federation."""
    return build(DEPTH).as_str() + "\n"


def main(arguments: list[str]) -> int:
    """Run the command; return the exit status, 1 if the file is out of date."""
    if arguments == ["--check"]:
        if FILE.read_text() == sdl():
            return 0
        sys.stderr.write("schema.graphql is out of date: run `make schema` and commit it\n")
        return 1
    if arguments:
        sys.stderr.write("usage: python -m gateway.schema.export [--check]\n")
        return 2
    FILE.write_text(sdl())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
