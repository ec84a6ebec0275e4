"""Writes the messages of an export into a file, as they arrive."""

import json
import struct
from collections.abc import Iterator
from typing import IO, Any, Protocol

from gateway.sheets.exports.csv_file import CSVFile
from gateway.sheets.exports.export import PARQUET, Export
from gateway.sheets.exports.kinds import KINDS

# Before each frame of the renderer's input: its bytes.
LENGTH = struct.Struct(">I")


class File(Protocol):
    """A file that is being written."""

    def add(self, rows: Any) -> None:
        """Write rows."""

    def finish(self) -> None:
        """Write the end."""


def begin(export: Export, output: IO[bytes]) -> File:
    """Begin a file of this export."""
    columns = export.rows.columns
    if export.format == PARQUET:
        from gateway.sheets.exports.parquet_file import ParquetFile  # imports an optional package

        return ParquetFile(output, columns)
    return CSVFile(output, columns, bom=export.bom)


def header(export: Export) -> bytes:
    """Return the first frame of the renderer's input."""
    fields = {"kind": export.kind, "format": export.format, "bom": export.bom}
    return frame(json.dumps(fields).encode())


def frame(body: bytes) -> bytes:
    """Return a frame of the renderer's input: the header, or a message of the export."""
    return LENGTH.pack(len(body)) + body


def render(source: IO[bytes], output: IO[bytes]) -> None:
    """Read frames up to the end of the input, and write the file."""
    frames = _frames(source)
    export = Export(**json.loads(next(frames)))
    message = KINDS[export.kind].message
    file = begin(export, output)
    for body in frames:
        file.add(message.FromString(body).rows)
    file.finish()


def _frames(source: IO[bytes]) -> Iterator[bytes]:
    while start := source.read(LENGTH.size):
        (length,) = LENGTH.unpack(start)
        body = source.read(length)
        if len(body) < length:
            raise EOFError("the input ends within a frame")
        yield body
