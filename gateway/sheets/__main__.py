"""Renders one file in a separate process: `python -m gateway.sheets archive|pages|report|export`.

The input is JSON, one object per line, or the frames of an export; the output is the file. The gateway
starts it for each download, because rendering blocks a process for some 10 ms per eSIM, or per some hundred
rows, and because the memory of fonts, pages and rows is freed when the process ends.
"""

import json
import sys
from collections.abc import Iterator
from typing import IO, Any

from gateway.sheets.esims import DeliveredESIM


def main() -> None:
    """Read from standard input, and write the file to standard output."""
    run(sys.argv[1], sys.stdin.buffer, sys.stdout.buffer)


def run(kind: str, source: IO[bytes], output: IO[bytes]) -> None:
    """Render a file of this kind. Each kind imports only what it needs."""
    if kind == "archive":
        from gateway.sheets import archive

        archive.write(_esims(map(json.loads, source)), output)
    elif kind == "pages":
        from gateway.sheets import installation

        objects = map(json.loads, source)
        support = next(objects)["support"]
        output.write(installation.render(_esims(objects), support))
    elif kind == "report":
        from gateway.sheets import report_pages
        from gateway.sheets.report import Report, Table

        (body,) = map(json.loads, source)
        tables = [Table(**table) for table in body.pop("tables")]
        output.write(report_pages.render(Report(tables=tables, **body)))
    elif kind == "export":
        from gateway.sheets.exports import files

        files.render(source, output)
    else:
        raise ValueError(kind)
    output.flush()


def _esims(objects: Iterator[dict[str, Any]]) -> Iterator[DeliveredESIM]:
    return (DeliveredESIM(**one) for one in objects)


if __name__ == "__main__":
    main()
