"""Output of several processes in one terminal, each line with the name of its process."""

from collections.abc import Mapping
from contextlib import suppress
from typing import TextIO

# The longest name, so that all lines start in one column.
WIDTH = len("catalogue")
# Terminal colors that are readable on dark and light backgrounds; each name keeps one.
COLORS = (36, 32, 35, 34, 33, 96, 92, 95, 94)
OWN_NAME = "up"


class Console:
    """Writes lines to a stream, with colors on a terminal unless NO_COLOR is set."""

    def __init__(self, stream: TextIO, environment: Mapping[str, str]) -> None:
        self._stream = stream
        self._colored = stream.isatty() and not environment.get("NO_COLOR")
        self._names: list[str] = []

    def say(self, name: str, text: str) -> None:
        """Write one line of the process with that name."""
        if not text:
            return
        self._write(f"{self._color(name, f'{name:<{WIDTH}} |')} {text}\n")

    def show(self, text: str) -> None:
        """Write a block without prefixes, to be copied."""
        self._write(f"{text}\n")

    def _color(self, name: str, text: str) -> str:
        if not self._colored:
            return text
        if name == OWN_NAME:
            return f"\x1b[1m{text}\x1b[0m"
        if name not in self._names:
            self._names.append(name)
        return f"\x1b[{COLORS[self._names.index(name) % len(COLORS)]}m{text}\x1b[0m"

    def _write(self, text: str) -> None:
        # The reader may have ended (`make up | head`), but the pipes of the processes must still be drained.
        with suppress(OSError):
            self._stream.write(text)
            self._stream.flush()
