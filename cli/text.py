"""Text arguments of commands, which must be valid Unicode, and access tokens.

Python represents bytes of an argument that are not UTF-8 as lone surrogates, which no request can contain.
File names may have such bytes.
"""

import re
from typing import Any

import click

from kit.auth.token_size import MAX_TOKEN_BYTES

TOKEN = re.compile(f"[!-~]{{1,{MAX_TOKEN_BYTES}}}")
MALFORMED = f"must have 1 to {MAX_TOKEN_BYTES} ASCII characters, without spaces and line breaks"


class Text(click.types.StringParamType):
    """Text that UTF-8 can encode."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        text = super().convert(value, param, ctx)
        try:
            text.encode()
        except UnicodeEncodeError:
            self.fail("must be valid Unicode text (UTF-8)", param, ctx)
        return text


class Token(Text):
    """An access token or API key: text that an Authorization header can contain."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        text = super().convert(value, param, ctx)
        if not TOKEN.fullmatch(text):
            self.fail(MALFORMED, param, ctx)
        return text


def check_all(command: click.Command) -> None:
    """Make all text arguments and options of a command and of its subcommands check their values."""
    for param in command.params:
        if param.type is click.STRING:
            param.type = Text()
    if isinstance(command, click.Group):
        for inner in command.commands.values():
            check_all(inner)
