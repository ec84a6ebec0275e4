"""Records `make up` and two requests on this machine, and draws them as the README's picture.

    .venv/bin/python -m docs.recording

The picture shows the output of the programs. Long lines are cut, `...` replaces other lines of the start, and
the start takes a few seconds at most.
"""

import os
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import NamedTuple

PICTURE = Path(__file__).parent / "images" / "make-up.svg"
URL = "http://localhost:4000/graphql"
PLANS = "{ featuredPlans(first: 3) { id title price currency } }"
BUY = (
    'mutation { purchaseESIM(planId: "PLAN_ID", input: {quantity: 1})'
    " { success order { status totalPrice esims { iccid status } } } }"
)
# Columns of the terminal, and pixels of a character.
COLUMNS, WIDE, HIGH = 118, 7.8, 18
MARGIN = 16
# Seconds to read a command, to read an output, and maximum for the start.
TYPING, READING, STARTING = 0.8, 1.6, 3.0
COLORS = {"command": "#7ee787", "output": "#c9d1d9", "left out": "#8b949e"}


class Line(NamedTuple):
    """One line of the terminal, and the seconds after which it appears."""

    kind: str
    text: str
    after: float


def record() -> list[Line]:
    """Start the platform with an empty state, buy a plan, and stop it again."""
    with tempfile.TemporaryDirectory(prefix="esimgo-recording-") as home:
        environment = {**os.environ, "ESIMGO_HOME": home, "NO_COLOR": "1"}
        began = time.monotonic()
        # As `make up` does once the packages are installed.
        running = subprocess.Popen(
            [sys.executable, "-m", "cli", "up"],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            printed = list(_until_ready(running, began))
            values = dict(text.split("=", 1) for _, text in printed if "TOKEN=" in text)
            lines = [Line("command", "$ make up", 0.0), *_chosen(printed)]
            plans = _request(lines, PLANS, None)
            plan = plans.partition('"id":"')[2].partition('"')[0]
            _request(lines, BUY.replace("PLAN_ID", plan), values["TOKEN"])
        finally:
            running.terminate()
            running.communicate()
    return lines


def _until_ready(running: "subprocess.Popen[str]", began: float) -> Iterator[tuple[float, str]]:
    """Yield each line with its time, up to the last of the commands to try."""
    assert running.stdout is not None
    for line in running.stdout:
        yield time.monotonic() - began, line.rstrip()
        if "myESIMs" in line:
            return
    raise RuntimeError("the platform ended before it was ready")


def _chosen(printed: list[tuple[float, str]]) -> Iterator[Line]:
    """Yield the platform's own lines and the addresses, without those of the processes."""
    left_out = False
    for at, text in printed:
        if "| ready in" in text or (
            text.startswith("  ") and "Tokens" not in text and "Try" not in text
        ):
            left_out = False
            yield Line("output", text, TYPING + min(at, STARTING))
        elif text and not left_out:
            left_out = True
            yield Line("left out", "...", TYPING + min(at, STARTING))


def _request(lines: list[Line], query: str, token: str | None) -> str:
    """Send a request with curl, add it and its answer to the lines, and return the answer."""
    body = '{"query": "' + query.replace('"', '\\"') + '"}'
    command = ["curl", "-s", URL, "-H", "Content-Type: application/json", "-d", body]
    shown = ["curl", URL, "-H", '"Content-Type: application/json"']
    if token is not None:
        command += ["-H", f"Authorization: Bearer {token}"]
        shown += ["-H", '"Authorization: Bearer $TOKEN"']
    began = time.monotonic()
    answer = subprocess.run(command, capture_output=True, text=True, check=True).stdout  # noqa: S603 - built here
    took = time.monotonic() - began
    at = lines[-1].after + READING
    lines.append(Line("command", f"$ {' '.join(shown)} \\", at))
    lines += [Line("command", text, at) for text in _wrapped(f"  -d {shlex.quote(body)}")]
    lines += [Line("output", text, at + TYPING + took) for text in _wrapped(answer)]
    return answer


def _wrapped(text: str) -> list[str]:
    """Break a text as a terminal does; a fourth line and what follows are left out."""
    rows = [text[i : i + COLUMNS] for i in range(0, len(text), COLUMNS)]
    return rows if len(rows) <= 3 else [*rows[:2], rows[2][: COLUMNS - 3] + "..."]


def draw(lines: list[Line]) -> str:
    """Return the SVG: each line appears at its time; all of them where animations are not played."""
    width, height = COLUMNS * WIDE + 2 * MARGIN, len(lines) * HIGH + 2 * MARGIN
    rows = []
    for number, line in enumerate(lines):
        text = line.text if len(line.text) <= COLUMNS else line.text[: COLUMNS - 3] + "..."
        rows.append(
            f'<text x="{MARGIN}" y="{MARGIN + (number + 0.75) * HIGH:.0f}" fill="{COLORS[line.kind]}"'
            f' style="animation-delay:{line.after:.2f}s">{escape(text)}</text>'
        )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" role="img"'
        f' aria-label="A terminal: make up, a query of plans, and a purchase">\n'
        "<style>text{font:13px ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;white-space:pre;"
        "animation:appear 1ms both}@keyframes appear{from{opacity:0}}</style>\n"
        '<rect width="100%" height="100%" rx="8" fill="#0d1117"/>\n'
        + "\n".join(rows)
        + "\n</svg>\n"
    )


if __name__ == "__main__":
    PICTURE.write_text(draw(record()))
