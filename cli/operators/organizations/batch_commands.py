"""The `esimgo batches` commands."""

import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import click

from cli.config.access import Access
from cli.groups import Group
from cli.operators.options import JSON, token
from cli.run import print_lines, run_operator

if TYPE_CHECKING:
    from cli.operators.organizations.batches import Batches, Buying

TOKEN = token("Access token of the member who buys, or an API key of the organization.")
SHEET = click.argument("sheet", type=click.Path(exists=True, dir_okay=False, path_type=Path))
BATCH = click.argument("batch", metavar="BATCH_ID", type=click.UUID)


@click.group(cls=Group)
def batches() -> None:
    """Buy the rows of a sheet, and download its eSIMs, as a member of an organization.

    SHEET is a CSV file with a header; docs/organizations.md lists its columns. The gateway is called at
    GATEWAY_URL, by default on this machine.

    """


def buying(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options for whom and how a sheet is bought."""
    for option in (
        click.option("--max-total", help="What the batch may cost at most, with tax."),
        click.option("--currency", help="Currency of a price list, such as EUR."),
        click.option("--group", help="Id of the group that it is for."),
        click.option(
            "--organization",
            help="Id of the organization that buys. Default: you buy for yourself.",
        ),
    ):
        command = option(command)
    return command


@batches.command()
@TOKEN
@JSON
@buying
@SHEET
def validate(token: str | None, as_json: bool, sheet: Path, **options: str | None) -> None:
    """Check every row of SHEET, and print what it would cost; buys nothing.

    Exit status 1 if a row can't be bought.

    """
    from cli.operators.organizations.batches import open_batches

    async def main(access: Access) -> bool:
        async with open_batches(access, token, as_json=as_json) as service:
            lines, sound = await service.validate(sheet, _buying(options))
        click.echo("\n".join(lines))
        return sound

    if not run_operator(main):
        sys.exit(1)


@batches.command()
@TOKEN
@JSON
@buying
@click.option("--name", default="", help="Name of the batch. Default: that of the file.")
@click.option(
    "--key",
    default="",
    help="Unique key, with which a repeated command buys only once. Default: a digest of the sheet.",
)
@click.option(
    "--skip-invalid", is_flag=True, help="Skip rows that can't be bought, and buy the others."
)
@SHEET
def create(
    token: str | None,
    as_json: bool,
    sheet: Path,
    name: str,
    key: str,
    skip_invalid: bool,
    **options: str | None,
) -> None:
    """Buy the rows of SHEET; the batch runs in the background."""
    _print(
        token,
        as_json,
        lambda service: service.create(
            sheet, _buying(options), name=name, key=key, skip_invalid=skip_invalid
        ),
    )


@batches.command()
@TOKEN
@JSON
@BATCH
def show(token: str | None, as_json: bool, batch: UUID) -> None:
    """Show the status of a batch, and how many of its rows are delivered."""
    _print(token, as_json, lambda service: service.show(str(batch)))


@batches.command()
@TOKEN
@BATCH
@click.argument("kind", type=click.Choice(["csv", "zip", "pdf"]))
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="New file to write. Default: esims-BATCH_ID with the ending of its kind.",
)
def download(token: str | None, batch: UUID, kind: str, output: Path | None) -> None:
    """Write the delivered eSIMs of a batch to a file that only you can read.

    csv is a sheet, zip has a QR code per eSIM, and pdf has a page per eSIM to print.

    """
    target = output or Path(f"esims-{batch}.{kind}")
    _print(token, False, lambda service: service.download(str(batch), kind, target))


def _buying(options: dict[str, Any]) -> "Buying":
    from cli.operators.organizations.batches import Buying

    return Buying(**options)


def _print(
    token: str | None, as_json: bool, work: "Callable[[Batches], Awaitable[list[str]]]"
) -> None:
    from cli.operators.organizations.batches import open_batches

    print_lines(lambda access: open_batches(access, token, as_json=as_json), work)
