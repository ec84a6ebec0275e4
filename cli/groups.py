"""Groups of commands whose help shows the whole first sentence of each command."""

import click

# Longer than any summary: the table of commands wraps it, where click would cut it off with "...".
WHOLE = 1000


class Group(click.Group):
    """Group of commands."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the table of commands, with each summary whole."""
        commands = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        rows = [
            (name, command.get_short_help_str(WHOLE))
            for name, command in commands
            if command is not None and not command.hidden
        ]
        if rows:
            with formatter.section("Commands"):
                formatter.write_dl(rows)
