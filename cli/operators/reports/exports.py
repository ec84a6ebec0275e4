"""Operation of `esimgo export`: writes an export into a file, which appears only when it is whole."""

import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from cli.config.access import Access
from cli.errors import CommandError
from cli.operators.service import Service, connect
from gateway.sheets.exports import files
from gateway.sheets.exports.export import Export
from gateway.sheets.exports.kinds import ESIMS, ORDERS
from kit.errors import Failure
from kit.values import timestamps
from protos.common.v1.exports_pb2 import ExportHead
from protos.esims.v1.exports_pb2_grpc import ExportsServiceStub as ESIMsExportsStub
from protos.orders.v1.exports_pb2_grpc import ExportsServiceStub as OrdersExportsStub

# Seconds. The services stop an export after 15 minutes.
TIMEOUT = 930.0
STUBS: dict[str, Any] = {ORDERS: OrdersExportsStub, ESIMS: ESIMsExportsStub}
OPTIONS = {
    "range.from": "--from",
    "range.to": "--to",
    "time_zone": "--time-zone",
    "organization_id": "--organization",
}


@dataclass(frozen=True, slots=True)
class Written:
    """What was written."""

    rows: int
    head: ExportHead

    def lines(self, path: Path) -> list[str]:
        """Describe it for people."""
        as_of = timestamps.to_text(timestamps.from_proto(self.head.as_of))
        plural = "" if self.rows == 1 else "s"
        lines = [
            f"{self.rows:,} row{plural} in {path}, as of {as_of}, days in {self.head.time_zone}"
        ]
        if not self.head.complete:
            lines.append(
                "older data is still being recorded after an update, so rows may be missing: export again"
                " later"
            )
        return lines


async def export(access: Access, token: str | None, wanted: Export, path: Path) -> list[str]:
    """Write an export to a path; return lines to print, and raise CommandError."""
    try:
        wanted.check()
    except Failure as failure:
        fields = [f"{OPTIONS[name]}: {text}" for name, text in failure.fields.items()]
        raise CommandError("; ".join(fields) or str(failure)) from failure
    owner = wanted.rows.owner
    async with connect(access, owner, STUBS[owner], token=token, timeout=TIMEOUT) as service:
        with whole(path) as output:
            written = await _write(service, wanted, output)
    return written.lines(path)


async def _write(service: Service, wanted: Export, output: IO[bytes]) -> Written:
    file = files.begin(wanted, output)
    rows, head = 0, ExportHead()
    messages: AsyncIterator[Any] = service.stream(wanted.rows.method, wanted.request())
    async for message in messages:
        if message.HasField("head"):
            head = message.head
        file.add(message.rows)
        rows += len(message.rows)
    file.finish()
    return Written(rows, head)


@contextmanager
def whole(path: Path) -> Iterator[IO[bytes]]:
    """Yield a file that takes the place of `path` after the block, unless the block raises.

    Only its owner can read it. Raises CommandError if it can't be written.
    """
    try:
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        temporary = Path(name)
        try:
            with os.fdopen(descriptor, "wb") as output:
                yield output
                output.flush()
                os.fsync(output.fileno())
            temporary.replace(path)
        finally:
            with suppress(FileNotFoundError):
                temporary.unlink()
    except OSError as error:
        raise CommandError(f"{path} can't be written: {error.strerror}") from error
