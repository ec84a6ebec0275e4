"""Writes an export as Parquet, with the optional package pyarrow."""

from collections.abc import Iterable, Mapping, Sequence
from typing import IO, Any

import pyarrow as pa
from pyarrow import parquet

from gateway.sheets.exports.columns import Column, Type

# Rows of one row group, which are in memory together: some 10 MB.
GROUP = 20_000
# Decimals have the precision and scale of BigQuery's NUMERIC, which hold every amount exactly.
TYPES: Mapping[Type, pa.DataType] = {
    Type.TEXT: pa.string(),
    Type.INTEGER: pa.int64(),
    Type.DECIMAL: pa.decimal128(38, 9),
    Type.BOOLEAN: pa.bool_(),
    Type.DAY: pa.date32(),
    Type.TIME: pa.timestamp("us", tz="UTC"),
}


class ParquetFile:
    """A Parquet file, whose rows are written in groups. Without its end, no program reads it."""

    def __init__(self, output: IO[bytes], columns: Sequence[Column], *, group: int = GROUP) -> None:
        # One thread, because those that answer requests need the other cores.
        pa.set_cpu_count(1)
        # Other pools keep memory that is no longer used.
        self._pool = pa.system_memory_pool()
        self._columns = columns
        self._schema = pa.schema([(column.name, TYPES[column.type]) for column in columns])
        self._output = output
        self._file = parquet.ParquetWriter(
            output, self._schema, compression="zstd", memory_pool=self._pool
        )
        self._group = group
        self._batches: list[pa.RecordBatch] = []
        self._count = 0

    def add(self, rows: Iterable[Any]) -> None:
        """Add rows, and write them with the earlier ones if there are enough."""
        found = list(rows)
        arrays = [
            pa.array(
                [column.read(row) for row in found], TYPES[column.type], memory_pool=self._pool
            )
            for column in self._columns
        ]
        self._batches.append(pa.RecordBatch.from_arrays(arrays, schema=self._schema))
        self._count += len(found)
        if self._count >= self._group:
            self._write()

    def finish(self) -> None:
        """Write the last rows and the end of the file."""
        if self._count:
            self._write()
        self._file.close()
        self._output.flush()

    def _write(self) -> None:
        table = pa.Table.from_batches(self._batches, self._schema)
        self._file.write_table(table, row_group_size=self._count)
        self._batches, self._count = [], 0
        self._output.flush()
