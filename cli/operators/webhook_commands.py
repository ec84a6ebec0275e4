"""The `esimgo webhooks` commands."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import click

from cli.groups import Group
from cli.operators.options import JSON, MOMENT, limit_of
from cli.run import print_lines

if TYPE_CHECKING:
    from cli.operators.webhooks import Webhooks


@click.group(cls=Group)
def webhooks() -> None:
    """List and replay callbacks of eSIM Go and events of Stripe."""


FILTERS = (
    click.option(
        "--state",
        "states",
        multiple=True,
        type=click.Choice(["pending", "delivered", "dead", "kept", "foreign"]),
        help="Only callbacks in this state; repeatable.",
    ),
    click.option(
        "--type",
        "types",
        multiple=True,
        help="Only callbacks of this type, such as Utilisation; repeatable.",
    ),
    click.option("--iccid", help="Only callbacks about the eSIM with this ICCID."),
    click.option("--since", type=MOMENT, help="Only callbacks received at or after this time."),
    click.option("--until", type=MOMENT, help="Only callbacks received before this time."),
)


def _filtered(command: Callable[..., None]) -> Callable[..., None]:
    for option in reversed(FILTERS):
        command = option(command)
    return command


@webhooks.command("list")
@_filtered
@limit_of("callbacks")
@JSON
def list_webhooks(limit: int, as_json: bool, **conditions: Any) -> None:
    """List callbacks, newest first."""
    _print(lambda webhooks: webhooks.list_events(limit, **conditions), as_json=as_json)


@webhooks.command()
@click.argument("event_id")
@JSON
def show(event_id: str, as_json: bool) -> None:
    """Show one callback with its body; activation codes are redacted."""
    _print(lambda webhooks: webhooks.show(event_id), as_json=as_json)


@webhooks.command()
@click.argument("event_ids", nargs=-1)
@_filtered
def replay(event_ids: tuple[str, ...], **conditions: Any) -> None:
    """Deliver callbacks again: those with the given ids, or all that match the options.

    For all dead letters: esimgo webhooks replay --state dead

    """
    _print(lambda webhooks: webhooks.replay(event_ids, **conditions))


@webhooks.command()
@JSON
def stats(as_json: bool) -> None:
    """Count callbacks by type and state, and show the age of the oldest pending one."""
    _print(lambda webhooks: webhooks.stats(), as_json=as_json)


def _print(work: "Callable[[Webhooks], Awaitable[list[str]]]", *, as_json: bool = False) -> None:
    from cli.operators.webhooks import open_webhooks

    print_lines(lambda access: open_webhooks(access, as_json=as_json), work)
