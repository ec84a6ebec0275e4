"""What the provider answers instead of doing what was asked."""

from dataclasses import dataclass


@dataclass(eq=False)
class Refusal(Exception):  # noqa: N818 - the provider refuses; nothing is broken
    """A refusal with the provider's status and words; `retry_after` in whole seconds."""

    status: int
    message: str
    retry_after: int | None = None

    def __str__(self) -> str:
        return f"{self.status}: {self.message}"


def bad(message: str) -> Refusal:
    """The 400 of a broken rule."""
    return Refusal(400, message)
