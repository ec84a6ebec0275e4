"""`esimgo`: runs and operates the eSIM backend on one machine."""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import click

from cli.config.access import Access
from cli.config.settings import LocalSettings
from cli.local.compose_commands import compose
from cli.local.console import OWN_NAME, Console
from cli.operators.catalogue_commands import catalogue
from cli.operators.customer_commands import customers
from cli.operators.order_commands import orders
from cli.operators.output import JSON
from cli.run import refuse, run_command, run_operator
from cli.version import VERSION

if TYPE_CHECKING:
    from cli.operators.webhooks import Operator


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(VERSION, prog_name="esimgo")
def esimgo() -> None:
    """Run and operate the eSIM backend on this machine.

    Services without credentials in the environment or in .env are replaced locally: the provider by
    its sandbox, Supabase Auth by an emulator, and PostgreSQL by a bundled server.

    """


@esimgo.command()
def up() -> None:
    """Start everything, report when it is ready, and stop it on Ctrl-C."""
    from cli.config import variables
    from cli.local.up import Up, UpError

    console = Console(sys.stdout, os.environ)
    # Before the settings are read, as a misspelled name may be why a required one is missing.
    for name in variables.in_use():
        console.say(OWN_NAME, f"warning: {name}")

    async def run(settings: LocalSettings) -> None:
        await Up(settings, console).run()

    try:
        run_command(run)
    except UpError as error:
        refuse(error, error.status)


@esimgo.command()
def migrate() -> None:
    """Migrate the database, starting the bundled server if it is needed and not running."""
    _migrate()


@esimgo.command()
def seed() -> None:
    """Add a few sample plans to the migrated database."""
    _migrate("seed")


def _migrate(*arguments: str) -> None:
    from cli.local import home
    from cli.local.migrate import migrate as run_migrations

    console = Console(sys.stdout, os.environ)
    try:
        sys.exit(run_command(lambda settings: run_migrations(settings, console, *arguments)))
    except (RuntimeError, home.HomeError) as error:
        refuse(error)


@esimgo.command()
@click.option(
    "--email",
    required=True,
    help="E-mail address of the account; the emulator creates the account.",
)
@click.option("--admin", is_flag=True, help="Make the account an administrator (emulator only).")
@click.option(
    "--password",
    prompt=True,
    prompt_required=False,
    hide_input=True,
    help="Password to sign in with; required for a real project. Without a value, prompt for it.",
)
def token(email: str, admin: bool, password: str | None) -> None:
    """Print a session token for scripts."""
    from cli.auth.sessions import SessionError
    from cli.auth.token import token as make_token

    try:
        click.echo(run_command(lambda settings: make_token(settings, email, password, admin=admin)))
    except SessionError as error:
        refuse(error)


@esimgo.group()
def webhooks() -> None:
    """List and replay the provider's callbacks."""


FILTERS = (
    click.option(
        "--state",
        "states",
        multiple=True,
        type=click.Choice(["pending", "delivered", "dead", "kept", "foreign"]),
        help="Repeatable.",
    ),
    click.option(
        "--type",
        "types",
        multiple=True,
        help="Only callbacks of this type, such as Utilisation; repeatable.",
    ),
    click.option("--iccid", help="Only callbacks about the eSIM with this ICCID."),
    click.option(
        "--since", type=click.DateTime(), help="Only callbacks received at or after this time."
    ),
    click.option(
        "--until", type=click.DateTime(), help="Only callbacks received before this time."
    ),
)


def _filtered(command: Callable[..., None]) -> Callable[..., None]:
    for option in reversed(FILTERS):
        command = option(command)
    return command


@webhooks.command("list")
@_filtered
@click.option(
    "--most",
    default=50,
    show_default=True,
    type=click.IntRange(1),
    help="Maximum number of callbacks to list.",
)
@JSON
def list_webhooks(most: int, as_json: bool, **wanted: Any) -> None:
    """List callbacks, newest first."""
    from cli.operators.webhooks import Wanted

    async def run(operator: "Operator") -> None:
        if as_json:
            click.echo(await operator.list_as_json(Wanted(**wanted), most))
            return
        async for text in operator.list_events(Wanted(**wanted), most):
            click.echo(text)

    _operate(run)


@webhooks.command()
@click.argument("event_id")
@JSON
def show(event_id: str, as_json: bool) -> None:
    """Show one callback with its body; activation codes are redacted."""

    async def run(operator: "Operator") -> None:
        click.echo(await operator.show(event_id, as_json=as_json))

    _operate(run)


@webhooks.command()
@click.argument("event_ids", nargs=-1)
@_filtered
def replay(event_ids: tuple[str, ...], **wanted: Any) -> None:
    """Deliver callbacks again: those with the given ids, or all that match the options.

    For all dead letters: esimgo webhooks replay --state dead

    """
    from cli.operators.webhooks import Wanted

    async def run(operator: "Operator") -> None:
        answer = await operator.replay(event_ids, Wanted(**wanted))
        click.echo(f"{answer.replayed} callbacks queued for delivery")
        if answer.not_understood:
            click.echo(f"{answer.not_understood} callbacks not replayed: their type is unknown")

    _operate(run)


@webhooks.command()
@JSON
def stats(as_json: bool) -> None:
    """Count callbacks by type and state, and show the age of the oldest pending one."""

    async def run(operator: "Operator") -> None:
        click.echo(await operator.stats(as_json=as_json))

    _operate(run)


def _operate(work: Callable[["Operator"], Awaitable[None]]) -> None:
    from cli.operators.webhooks import WebhooksError, operator

    async def run(access: Access) -> None:
        async with operator(access) as door:
            await work(door)

    try:
        run_operator(run)
    except WebhooksError as error:
        refuse(error)


@esimgo.command()
def doctor() -> None:
    """Check what a start needs, and print each problem with its remedy."""
    from cli.doctor.examine import examine

    async def run() -> bool:
        well = True
        async for finding in examine():
            click.echo(finding)
            well = well and finding.remedy is None
        return well

    sys.exit(0 if asyncio.run(run()) else 1)


esimgo.add_command(catalogue)
esimgo.add_command(compose)
esimgo.add_command(customers)
esimgo.add_command(orders)

if __name__ == "__main__":
    esimgo(prog_name="esimgo")
