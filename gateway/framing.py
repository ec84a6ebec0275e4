"""Where requests begin and end on a connection, as far as that is beyond doubt."""

import re

# Bytes. Of a head that comes in pieces as much is looked at as aiohttp takes for one line of it.
LONGEST_HEAD = 8_190
# The methods whose requests end where their Content-Length says, or with their head.
BEGINNING = re.compile(rb"(?:GET|HEAD|POST|OPTIONS) [!-~]+ HTTP/1\.1(?:\r\n|\Z)")
LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]{1,9})[ \t]*(?:\r\n|\Z)")
# A body that says by itself where it ends; another protocol from here on.
OTHERWISE = (b"transfer-encoding", b"\r\nupgrade:")


class Framing:
    """One connection's; it follows all that the HTTP parser is given.

    `between` says that all of it were whole requests. After the first doubt it never says so again.
    """

    __slots__ = ("_begun", "_missing", "_sure", "between")

    def __init__(self) -> None:
        self.between = True
        self._sure = True
        self._begun = b""
        self._missing = 0

    def follow(self, chunk: bytes) -> None:
        """The parser gets this too."""
        if not self._sure or not chunk:
            return
        if self._missing:
            self._ends_after(self._missing - len(chunk))
            return
        begun = self._begun + chunk if self._begun else chunk
        end = begun.find(b"\r\n\r\n")
        if end < 0:
            self._begun, self.between = begun, False
            self._sure = len(begun) <= LONGEST_HEAD
            return
        self._begun = b""
        length = body_length(begun[:end])
        if length is None:
            self._doubt()
        else:
            self._ends_after(end + 4 + length - len(begun))

    def _ends_after(self, more: int) -> None:
        if more < 0:  # the next one came along with it
            self._doubt()
        else:
            self._missing, self.between = more, more == 0

    def _doubt(self) -> None:
        self._sure = self.between = False


def body_length(head: bytes) -> int | None:
    """How many bytes follow a head, given without the empty line at its end; None in doubt."""
    lines = head.count(b"\r\n")
    if lines != head.count(b"\n") or lines != head.count(b"\r") or not BEGINNING.match(head):
        return None
    lower = head.lower()
    if any(word in lower for word in OTHERWISE):
        return None
    named = lower.count(b"content-length")
    if not named:
        return 0
    found = LENGTH.search(lower)
    return int(found[1]) if found is not None and named == 1 else None
