"""Generates the README's table of switches: `python -m sandbox.switch_table`."""

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

from sandbox.switches import Switches

README = Path(__file__).with_name("README.md")
BEGIN, END = "<!-- switches -->\n", "<!-- /switches -->\n"


def table() -> str:
    """Return a Markdown table of every switch with its default, values and description."""
    defaults = Switches().to_json()
    rows = ["| switch | default | values | description |", "|---|---|---|---|"]
    for item in fields(Switches):
        about = item.metadata
        default = _shown(defaults[item.name])
        rows.append(
            f"| `{item.name}` | {default} | {_values(item.type, about)} | {about['about']} |"
        )
    return "\n".join(rows) + "\n"


def _shown(value: Any) -> str:
    return f"`{json.dumps(value)}`"


def _values(kind: Any, about: Any) -> str:
    if about["choices"]:
        return ", ".join(map(str, about["choices"]))
    if kind is bool:
        return "true, false"
    if about["least"] is not None:
        return f"{about['least']} or more"
    return "an object" if "dict" in str(kind) else "text"


def with_table(readme: str) -> str:
    """Return the README with an updated table."""
    before, rest = readme.split(BEGIN)
    _, after = rest.split(END)
    return f"{before}{BEGIN}{table()}{END}{after}"


if __name__ == "__main__":
    README.write_text(with_table(README.read_text()))
