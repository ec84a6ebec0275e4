"""What clients hear of a failure: known kinds with a code, everything else masked under an id."""

import logging
import re
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from graphql import GraphQLError

from kit.errors import Failure, Kind

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
# A mutation answers these as data: the caller asked for something that can't be, and may mend it.
REFUSALS = frozenset({Kind.INVALID, Kind.FORBIDDEN, Kind.NOT_FOUND, Kind.CONFLICT, Kind.REFUSED})
# The documented words, alone: what exactly is wrong stands in the extensions.
NOT_AUTHENTICATED = "Not authenticated"
# Where an argument is not named as the services' field is.
ARGUMENTS = {
    "durationDays": "duration",
    "minDataMb": "minData",
    "pageSize": "first",
    "statuses": "status",
}
# What graphql-core adds to its words about a name that doesn't exist.
SUGGESTION = re.compile(r" Did you mean [^?]*\?")
WORD = re.compile(r"[a-z]+(?:_[a-z]+)+|[a-z]+")


def describe(error: GraphQLError, request_id: str, *, suggestions: bool) -> dict[str, Any]:
    """One entry of `errors`; whatever is not known to be fit for a client is logged and masked.

    Without `suggestions`, what names exist is not said to whoever guesses.
    """
    shown: dict[str, Any] = {}
    if error.locations:
        shown["locations"] = [place.formatted for place in error.locations]
    if error.path:
        shown["path"] = error.path
    shown |= _words(error, request_id)
    if not suggestions:
        shown["message"] = SUGGESTION.sub("", shown["message"])
    return shown


def not_now(found: Iterable[GraphQLError]) -> Failure | None:
    """The refusal of a whole operation whose caller ordered too much before; None for other errors."""
    causes = (error.original_error for error in found if not error.path)
    return next((c for c in causes if isinstance(c, Failure) and c.kind is Kind.EXHAUSTED), None)


def left_out(number: int) -> dict[str, Any]:
    """The last entry of `errors` where the answer has more than one may hold."""
    return {
        "message": f"{number} more errors were omitted; fix the errors shown first, or request less",
        "extensions": {"code": "TOO_MANY_ERRORS", "omitted": number},
    }


def _words(error: GraphQLError, request_id: str) -> dict[str, Any]:
    cause = error.original_error
    if isinstance(cause, Failure):
        return from_failure(cause, request_id)
    if isinstance(cause, RecursionError):
        return {
            "message": "The request is nested too deeply",
            "extensions": {"code": "TOO_COMPLEX"},
        }
    # The client is at fault where nothing was executed, or where graphql-core names the place in the
    # document; when a resolver's value doesn't fit its type, the first error has no place.
    if cause is None or (isinstance(cause, GraphQLError) and (cause.nodes or not error.path)):
        extensions = error.extensions or {"code": "BAD_USER_INPUT" if error.path else "BAD_REQUEST"}
        return {"message": error.message, "extensions": extensions}
    return masked(cause, request_id)


def from_failure(failure: Failure, request_id: str) -> dict[str, Any]:
    """Message and extensions: `code` is the kind, `reason` says exactly what it is."""
    if failure.kind is Kind.INTERNAL and "fault_id" not in failure.details:
        return masked(failure, request_id)
    extensions: dict[str, Any] = {"code": CODES[failure.kind], "reason": failure.reason}
    words = message(failure)
    if failure.kind is Kind.UNAUTHENTICATED:
        extensions["detail"] = words.removeprefix(f"{NOT_AUTHENTICATED}: ")
        words = NOT_AUTHENTICATED
    if failure.fields:
        extensions["fields"] = {argument(path): text for path, text in failure.fields.items()}
    if failure.retry_after is not None:
        extensions["retryAfter"] = failure.retry_after
    if "fault_id" in failure.details:
        extensions["faultId"] = failure.details["fault_id"]
    return {"message": words, "extensions": extensions}


def message(failure: Failure) -> str:
    """Its words, with fields named as the schema names them."""
    if not failure.fields:
        return failure.message
    return "; ".join(f"{argument(path)}: {text}" for path, text in failure.fields.items())


def argument(path: str) -> str:
    """A path of a service's request, as a client knows it: `filter.max_price` is `filter.maxPrice`."""
    return WORD.sub(lambda word: _argument(word[0]), path)


def _argument(name: str) -> str:
    first, *rest = name.split("_")
    camel = first + "".join(part.capitalize() for part in rest)
    return ARGUMENTS.get(camel, camel)


@contextmanager
def naming(**arguments: str) -> Iterator[None]:
    """Names fields of a service's request as this one operation does, where its words are others."""
    try:
        yield
    except Failure as failure:
        fields = {arguments.get(path, path): text for path, text in failure.fields.items()}
        raise replace(failure, fields=fields) from failure


def masked(error: BaseException, request_id: str) -> dict[str, Any]:
    """Logs the unexpected under an id, which is all that the client gets."""
    fault = uuid.uuid4().hex[:12]
    logger.error("request %s failed, fault %s", request_id, fault, exc_info=error)
    return {
        "message": f"Internal error. Report the fault id {fault} to the operator",
        "extensions": {"code": CODES[Kind.INTERNAL], "reason": "INTERNAL", "faultId": fault},
    }


def refusal(failure: Failure) -> tuple[str, str]:
    """Words and code of a refusal, for a mutation's answer; raises the failure when it is no refusal."""
    if failure.kind not in REFUSALS:
        raise failure
    return message(failure), failure.reason
