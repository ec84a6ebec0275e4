"""The error that ends a command."""


class CommandError(Exception):
    """A command failed. The text says why and what to do; `status` is the exit status."""

    def __init__(self, text: str, status: int = 1) -> None:
        super().__init__(text)
        self.status = status
