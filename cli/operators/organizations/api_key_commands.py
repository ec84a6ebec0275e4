"""The `esimgo api-keys` commands."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import click

from cli.groups import Group
from cli.operators.options import JSON, limit_of
from cli.run import print_lines

if TYPE_CHECKING:
    from cli.operators.organizations.api_keys import APIKeys


@click.group("api-keys", cls=Group)
def api_keys() -> None:
    """List and revoke API keys of organizations, and replace the key that signs their tokens.

    Keys are created by owners and managers with createAPIKey.

    """


@api_keys.command("list")
@JSON
@limit_of("API keys")
@click.argument("organization", metavar="ORGANIZATION_ID")
def list_keys(as_json: bool, limit: int, organization: str) -> None:
    """List the API keys of an organization, newest first, including revoked ones."""
    _print(as_json, lambda keys: keys.list_keys(organization, limit))


@api_keys.command()
@JSON
@click.argument("key", metavar="KEY_ID")
def revoke(as_json: bool, key: str) -> None:
    """End an API key; it can read and buy nothing from now on."""
    _print(as_json, lambda keys: keys.revoke(key))


@api_keys.command("replace-signing-key")
@JSON
def replace_signing_key(as_json: bool) -> None:
    """Replace the key that signs the tokens of all API keys, and withdraw earlier ones.

    For a signing key that may be known to others, and after the service role key was replaced. API keys
    remain valid, and programs notice nothing.

    """
    _print(as_json, lambda keys: keys.replace_signing_key())


def _print(as_json: bool, work: "Callable[[APIKeys], Awaitable[list[str]]]") -> None:
    from cli.operators.organizations.api_keys import open_api_keys

    print_lines(lambda access: open_api_keys(access, as_json=as_json), work)
