"""Errors as clients receive them: known failures with a code, unexpected ones masked under a fault id."""

import logging
import re
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from graphql import GraphQLError

from kit.errors import Failure, Kind, joined

logger = logging.getLogger(__name__)

CODES = {
    Kind.INVALID: "BAD_USER_INPUT",
    Kind.UNAUTHENTICATED: "UNAUTHENTICATED",
    Kind.FORBIDDEN: "FORBIDDEN",
    Kind.NOT_FOUND: "NOT_FOUND",
    Kind.CONFLICT: "CONFLICT",
    Kind.REFUSED: "REFUSED",
    Kind.EXHAUSTED: "RATE_LIMITED",
    Kind.UNAVAILABLE: "UNAVAILABLE",
    Kind.UNCLEAR: "UNCLEAR",
    Kind.DEADLINE: "DEADLINE_EXCEEDED",
    Kind.INTERNAL: "INTERNAL",
}
# The documented message; `extensions.detail` contains the exact reason.
NOT_AUTHENTICATED = "Not authenticated"
# Arguments whose name differs from that of the services' field.
ARGUMENTS = {
    "durationDays": "duration",
    "minDataMb": "minData",
    "pageSize": "first",
    "statuses": "status",
}
# The hint that graphql-core appends to a message about an unknown name.
SUGGESTION = re.compile(r" Did you mean [^?]*\?")
# The name at the start of a path.
FIRST = re.compile(r"^\w+")
WORD = re.compile(r"[a-z]+(?:_[a-z]+)+|[a-z]+")
# Names of a service's fields in a message. Texts in quotes are values, and so is what has digits or an @.
NAME = re.compile(r'"[^"]*"|(?<![\w@.+-])(?:[a-z]+\.)*[a-z]+(?:_[a-z]+)+(?![\w@-])')


def describe(error: GraphQLError, request_id: str, *, suggestions: bool) -> dict[str, Any]:
    """Return one entry of `errors`; an unexpected error is logged and masked.

    Without `suggestions`, hints that reveal existing names are removed.
    """
    entry: dict[str, Any] = {}
    if error.locations:
        entry["locations"] = [place.formatted for place in error.locations]
    if error.path:
        entry["path"] = error.path
    entry |= _message_and_extensions(error, request_id)
    if not suggestions:
        entry["message"] = SUGGESTION.sub("", entry["message"])
    return entry


def rate_limit_failure(found: Iterable[GraphQLError]) -> Failure | None:
    """Return the failure by which a rate limit refused the whole operation, if there is one."""
    causes = (error.original_error for error in found if not error.path)
    return next((c for c in causes if isinstance(c, Failure) and c.kind is Kind.EXHAUSTED), None)


def omitted_errors(number: int) -> dict[str, Any]:
    """Return the last entry of `errors`, which counts the errors above the limit."""
    return {
        "message": f"{number} more errors were omitted; fix the errors shown first, or request less",
        "extensions": {"code": "TOO_MANY_ERRORS", "omitted": number},
    }


def _message_and_extensions(error: GraphQLError, request_id: str) -> dict[str, Any]:
    cause = error.original_error
    if isinstance(cause, Failure):
        return from_failure(cause, request_id)
    if isinstance(cause, RecursionError):
        return {
            "message": "The request is nested too deeply",
            "extensions": {"code": "TOO_COMPLEX"},
        }
    # It is a client error if nothing was executed, or if the original error has a location in the document.
    # If a resolver's value doesn't match its type, the original error has none.
    if cause is None or (isinstance(cause, GraphQLError) and (cause.nodes or not error.path)):
        extensions = error.extensions or {"code": "BAD_USER_INPUT" if error.path else "BAD_REQUEST"}
        return {"message": error.message, "extensions": extensions}
    return masked(cause, request_id)


def from_failure(failure: Failure, request_id: str) -> dict[str, Any]:
    """Return message and extensions of a failure: `code` is its kind, `reason` the exact reason."""
    if failure.kind is Kind.INTERNAL and "fault_id" not in failure.details:
        return masked(failure, request_id)
    extensions: dict[str, Any] = {"code": CODES[failure.kind], "reason": failure.reason}
    text = message(failure)
    if failure.kind is Kind.UNAUTHENTICATED:
        extensions["detail"] = text.removeprefix(f"{NOT_AUTHENTICATED}: ")
        text = NOT_AUTHENTICATED
    if failure.fields:
        extensions["fields"] = {
            argument(path): translated(problem) for path, problem in failure.fields.items()
        }
    if failure.retry_after is not None:
        extensions["retryAfter"] = failure.retry_after
    if "fault_id" in failure.details:
        extensions["faultId"] = failure.details["fault_id"]
    return {"message": text, "extensions": extensions}


def message(failure: Failure) -> str:
    """Return a failure's message, with fields named as in the schema."""
    if not failure.fields:
        return translated(failure.message)
    named = {argument(path): translated(text) for path, text in failure.fields.items()}
    return joined(named, failure.omitted)


def translated(text: str) -> str:
    """Convert the names of fields in a service's message to the schema's: `max_price` to `maxPrice`."""
    return NAME.sub(lambda found: found[0] if found[0][0] == '"' else argument(found[0]), text)


def argument(path: str) -> str:
    """Convert a path in a service's request to the schema's: `filter.max_price` to `filter.maxPrice`."""
    return WORD.sub(lambda word: _argument(word[0]), path)


def _argument(name: str) -> str:
    first, *rest = name.split("_")
    camel = first + "".join(part.capitalize() for part in rest)
    return ARGUMENTS.get(camel, camel)


@contextmanager
def naming(**arguments: str) -> Iterator[None]:
    """Rename fields in the Failures of a block, for an operation whose arguments have other names.

    The names replace those at the start of a path, such as `esim_id` or `lists` in `lists[0].id`.
    """
    try:
        yield
    except Failure as failure:
        fields = {
            FIRST.sub(lambda found: arguments.get(found[0], found[0]), path): text
            for path, text in failure.fields.items()
        }
        raise replace(failure, fields=fields) from failure


def masked(error: BaseException, request_id: str) -> dict[str, Any]:
    """Log an unexpected error under a fault id; the client receives only the id."""
    fault = uuid.uuid4().hex[:12]
    logger.error("request %s failed, fault %s", request_id, fault, exc_info=error)
    return {
        "message": f"Internal error. Report the fault id {fault} to the operator",
        "extensions": {"code": CODES[Kind.INTERNAL], "reason": "INTERNAL", "faultId": fault},
    }
