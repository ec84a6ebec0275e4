"""The `esimgo reports` commands."""

import sys
from datetime import datetime
from pathlib import Path

import click

from cli.config.access import Access
from cli.groups import Group
from cli.operators.options import DAY, JSON, MONTH, token
from cli.run import run_operator

TOKEN = token(
    "Access token of the finance staff or an administrator. Default: the service role key."
)


@click.group(cls=Group)
def reports() -> None:
    """Show the sales of a month, and count again the data behind reports."""


@reports.command()
@TOKEN
@JSON
@click.option(
    "--month",
    "first",
    required=True,
    metavar="MONTH",
    type=MONTH,
    help="Month, such as 2026-11.",
)
@click.option(
    "--currency",
    default="",
    help="ISO 4217 code into which all amounts are converted. Default: each currency that customers pay in"
    " is reported separately.",
)
@click.option(
    "--time-zone",
    default="",
    help="IANA time zone in which days begin. Default: REPORTING_TIME_ZONE.",
)
@click.option(
    "--html",
    "file",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write one self-contained page with charts and tables, to read in a browser or to print. An"
    " existing file is replaced.",
)
def sales(
    token: str | None,
    as_json: bool,
    first: datetime,
    currency: str,
    time_zone: str,
    file: Path | None,
) -> None:
    """Show the sales of a month, compared with the month before."""
    if as_json and file:
        raise click.UsageError("--json and --html can't be combined; give one of them")

    async def main(access: Access) -> None:
        from cli.operators.reports.exports import whole
        from cli.operators.reports.reports import open_reports
        from cli.operators.sales import lines
        from cli.operators.sales.page import page

        async with open_reports(access, token, as_json=as_json) as found:
            month = await found.month(first.date(), currency, time_zone)
        if file is not None:
            with whole(file) as output:
                output.write(page(month).encode())
            click.echo(f"the sales of {first:%Y-%m} were written to {file}")
        else:
            click.echo("\n".join(lines.document(month) if as_json else lines.lines(month)))

    run_operator(main)


@reports.command()
@TOKEN
@JSON
@click.option(
    "--from",
    "first",
    type=DAY,
    help="First day, in REPORTING_TIME_ZONE. Default: when the books began.",
)
@click.option("--check", is_flag=True, help="Change nothing. The exit status is 1 on differences.")
@click.option(
    "--usage",
    is_flag=True,
    help="Instead of sales, sum data use and visits again, of all days whose samples are still stored.",
)
def rebuild(
    token: str | None, as_json: bool, first: datetime | None, check: bool, usage: bool
) -> None:
    """Count sales again from the ledger, and sum them by day again.

    Prints each difference. Without --check, facts that are missing are recorded, and the sums of days that
    differ are made again. Purchases go on meanwhile.

    """
    if usage and first:
        raise click.UsageError("--usage compares all days; leave out --from")
    differences = 0

    async def main(access: Access) -> None:
        from cli.operators.reports import usage as usage_reports
        from cli.operators.reports.reports import open_reports

        nonlocal differences
        if usage:
            lines, differences = await usage_reports.rebuild(
                access, token, check=check, as_json=as_json
            )
            click.echo("\n".join(lines))
            return
        async with open_reports(access, token, as_json=as_json) as found:
            day = first.date().isoformat() if first else ""
            lines, differences = await found.rebuild(day, check=check)
            click.echo("\n".join(lines))

    run_operator(main)
    sys.exit(1 if differences and check else 0)


# The same commands under the name of one report.
report = click.Group("report", commands=reports.commands, help=reports.help, hidden=True)
