"""Error responses of the provider."""

from dataclasses import dataclass


@dataclass(eq=False)
class Refusal(Exception):  # noqa: N818 - the provider refuses; nothing is broken
    """An error response with the provider's status and text; `retry_after` is in whole seconds."""

    status: int
    message: str
    retry_after: int | None = None

    def __str__(self) -> str:
        return f"{self.status}: {self.message}"


def bad(message: str) -> Refusal:
    """Return a 400."""
    return Refusal(400, message)
