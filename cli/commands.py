"""The command `esimgo`, which runs and operates the eSIM backend on one machine."""

import os
import sys

import click

from cli import text
from cli.groups import Group
from cli.local.compose_commands import compose
from cli.local.console import OWN_NAME, Console
from cli.operators.catalogue_commands import catalogue
from cli.operators.customer_commands import customers
from cli.operators.finance.books_commands import books
from cli.operators.finance.payment_commands import payments
from cli.operators.finance.wallet_commands import wallets
from cli.operators.order_commands import orders
from cli.operators.organizations.api_key_commands import api_keys
from cli.operators.organizations.batch_commands import batches
from cli.operators.organizations.organization_commands import organizations
from cli.operators.pricing.coupon_commands import coupons
from cli.operators.pricing.price_commands import prices, taxes
from cli.operators.pricing.rate_commands import rates
from cli.operators.reports.export_commands import export
from cli.operators.reports.report_commands import report, reports
from cli.operators.webhook_commands import webhooks
from cli.run import run, run_local
from cli.version import VERSION


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(VERSION, prog_name="esimgo")
def esimgo() -> None:
    """Run and operate the eSIM backend on this machine.

    Services without credentials in the environment or in .env are replaced locally: the provider by
    its sandbox, Supabase Auth by an emulator, and PostgreSQL by a bundled server.

    """


@esimgo.command()
def up() -> None:
    """Start everything, report when it is ready, and stop it on Ctrl-C."""
    from cli.config import settings, variables
    from cli.local.up import Up

    console = Console(sys.stdout, os.environ)

    async def start() -> None:
        # Before the settings are read: a misspelled name may be why a required one is missing.
        for name in variables.in_use():
            console.say(OWN_NAME, f"warning: {name}")
        await Up(settings.load(), console).run()

    run(start())


@esimgo.command()
def migrate() -> None:
    """Migrate the database, starting the bundled server if it is needed and not running."""
    _migrate()


@esimgo.command()
def seed() -> None:
    """Add a few sample plans to the migrated database."""
    _migrate("seed")


def _migrate(*arguments: str) -> None:
    from cli.local.migrate import migrate as run_migrations

    console = Console(sys.stdout, os.environ)
    sys.exit(run_local(lambda settings: run_migrations(settings, console, *arguments)))


@esimgo.command()
@click.option(
    "--email",
    required=True,
    help="E-mail address of the account; the emulator creates the account.",
)
@click.option(
    "--role",
    type=click.Choice(["support", "finance", "admin"]),
    help="Grant the account this role (emulator only).",
)
@click.option("--admin", is_flag=True, help="The same as --role admin.")
@click.option(
    "--password",
    prompt=True,
    prompt_required=False,
    hide_input=True,
    help="Password to sign in with; required for a real project. Without a value, prompt for it.",
)
def token(email: str, role: str | None, admin: bool, password: str | None) -> None:
    """Print a session token for scripts."""
    from cli.auth.token import token as make_token

    if admin and role not in (None, "admin"):
        raise click.UsageError(f"--admin and --role {role} can't be combined; give one role")
    granted = "admin" if admin else role
    click.echo(run_local(lambda settings: make_token(settings, email, password, role=granted)))


@esimgo.command()
def doctor() -> None:
    """Check what a start needs, and print each problem with its remedy."""
    from cli.doctor.examine import examine

    async def main() -> int:
        problems = 0
        async for finding in examine():
            click.echo(finding)
            problems += finding.remedy is not None
        return problems

    sys.exit(1 if run(main()) else 0)


esimgo.add_command(api_keys)
esimgo.add_command(batches)
esimgo.add_command(books)
esimgo.add_command(catalogue)
esimgo.add_command(compose)
esimgo.add_command(coupons)
esimgo.add_command(customers)
esimgo.add_command(export)
esimgo.add_command(orders)
esimgo.add_command(organizations)
esimgo.add_command(payments)
esimgo.add_command(prices)
esimgo.add_command(rates)
esimgo.add_command(report)
esimgo.add_command(reports)
esimgo.add_command(taxes)
esimgo.add_command(wallets)
esimgo.add_command(webhooks)
text.check_all(esimgo)
