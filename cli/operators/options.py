"""Options that several operators' commands share."""

from collections.abc import Callable
from typing import Any

import click

JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")


def limit_of(noun: str) -> Callable[[Any], Any]:
    """Return the option for the maximum number of rows."""
    return click.option(
        "--most",
        "limit",
        default=50,
        show_default=True,
        type=click.IntRange(1),
        help=f"Maximum number of {noun} to list.",
    )
