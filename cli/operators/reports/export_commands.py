"""The `esimgo export` command."""

from pathlib import Path

import click

from cli.config.access import Access
from cli.operators.reports.report_commands import TOKEN
from cli.run import run_operator

# As in gateway.sheets.exports, which takes a while to import.
KINDS = ("orders", "esims", "sales", "usage", "ledger", "customers")
FORMATS = ("csv", "parquet")


@click.command()
@TOKEN
@click.argument("kind", metavar="KIND", type=click.Choice(KINDS))
@click.option("--from", "first", default="", metavar="DAY", help="First day, such as 2026-11-01.")
@click.option("--to", "last", default="", metavar="DAY", help="Last day, such as 2026-11-30.")
@click.option(
    "--time-zone",
    default="",
    metavar="ZONE",
    help="IANA name of the zone in which days begin. Default: that of the shop, or of the organization"
    " for its orders.",
)
@click.option(
    "--organization",
    type=click.UUID,
    help="Export only rows of this organization: orders, esims or usage.",
)
@click.option(
    "--format",
    "format_",
    type=click.Choice(FORMATS),
    help="Format of the file. Default: by its name, else csv. Parquet needs the package pyarrow.",
)
@click.option("--bom", is_flag=True, help="Begin a CSV file with a byte order mark, for Excel.")
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File to write. Default: KIND-FROM-TO.FORMAT in this folder.",
)
def export(
    token: str | None,
    kind: str,
    first: str,
    last: str,
    time_zone: str,
    organization: object,
    format_: str | None,
    bom: bool,
    out: Path | None,
) -> None:
    """Export orders, esims, sales, usage, the ledger or customers into a file.

    KIND is orders, esims, sales, usage, ledger or customers. Without days, all esims or customers are
    exported. The file appears when it is complete; an existing one is replaced.

    """

    async def main(access: Access) -> None:
        from cli.operators.reports import exports
        from gateway.sheets.exports.export import Export

        by_name = out.suffix.removeprefix(".").lower() if out else ""
        wanted = Export(
            kind,
            format_ or (by_name if by_name in FORMATS else "csv"),
            from_day=first,
            to_day=last,
            time_zone=time_zone,
            organization_id=str(organization or ""),
            bom=bom,
        )
        path = out or Path(wanted.name)
        click.echo("\n".join(await exports.export(access, token, wanted, path)))

    run_operator(main)
