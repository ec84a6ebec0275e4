"""Lines of many processes in one terminal: each with the name of who says it, coloured where it helps."""

from collections.abc import Mapping
from contextlib import suppress
from typing import TextIO

# The longest name, so that all texts start in one column.
WIDTH = len("catalogue")
# Terminal colours that are readable on dark and on light; a name keeps its colour by its place.
COLOURS = (36, 32, 35, 34, 33, 96, 92, 95, 94)
OWN_NAME = "up"


class Console:
    """Writes lines to a stream; colours only on a terminal, and not when NO_COLOR is set."""

    def __init__(self, stream: TextIO, environment: Mapping[str, str]) -> None:
        self._stream = stream
        self._coloured = stream.isatty() and not environment.get("NO_COLOR")
        self._names: list[str] = []

    def say(self, name: str, text: str) -> None:
        """One line under a name."""
        if not text:
            return
        self._write(f"{self._colour(name, f'{name:<{WIDTH}} |')} {text}\n")

    def show(self, text: str) -> None:
        """A block that is meant to be read and copied: without prefixes."""
        self._write(f"{text}\n")

    def _colour(self, name: str, text: str) -> str:
        if not self._coloured:
            return text
        if name == OWN_NAME:
            return f"\x1b[1m{text}\x1b[0m"
        if name not in self._names:
            self._names.append(name)
        return f"\x1b[{COLOURS[self._names.index(name) % len(COLOURS)]}m{text}\x1b[0m"

    def _write(self, text: str) -> None:
        # Who read us may be gone (`make up | head`); the processes' lines must be taken all the same.
        with suppress(OSError):
            self._stream.write(text)
            self._stream.flush()
