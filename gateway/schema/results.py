"""What the results of mutations have in common: the reason of a refusal, which is data and no error."""

from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any, TypeVar, cast

import strawberry

from gateway.errors import message
from kit.errors import Failure, Kind

Result = TypeVar("Result")
Change = TypeVar("Change", bound=Callable[..., Awaitable[Any]])

# Returned as data (`success: false`), because the caller can act on them.
REFUSALS = frozenset({Kind.INVALID, Kind.FORBIDDEN, Kind.NOT_FOUND, Kind.CONFLICT, Kind.REFUSED})
SUCCESS = "True unless the request was refused."


def error() -> Any:
    """Declare the field `error`."""
    return strawberry.field(
        default=None, description="Human-readable reason of the refusal; null on success."
    )


def code(example: str) -> Any:
    """Declare the field `code`."""
    return strawberry.field(
        default=None,
        description=f"Machine-readable reason of the refusal, such as {example}; null on success.",
    )


def refused(result: Callable[..., Result], failure: Failure, **also: Any) -> Result:
    """Return the result of a refused mutation, with only `also` beside the reason; raise other failures."""
    if failure.kind not in REFUSALS:
        raise failure
    return result(success=False, error=message(failure), code=failure.reason, **also)


def refusable(result: Callable[..., Any]) -> Callable[[Change], Change]:
    """Make a mutation return a `result` with the reason if it is refused; other failures are raised."""

    def decorated(change: Change) -> Change:
        @wraps(change)
        async def refusing(*values: Any, **arguments: Any) -> Any:
            try:
                return await change(*values, **arguments)
            except Failure as failure:
                return refused(result, failure)

        return cast("Change", refusing)

    return decorated
