"""An operation of the provider's API: path, parameters and responses."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from sandbox.contract.schema import Schema, ref, text

JSON = "application/json"
PLAIN = "text/plain"
CSV = "text/csv"
ZIP = "application/zip"


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter in the path or in the query; arrays repeat the name."""

    name: str
    schema: Schema
    where: str = "query"
    required: bool = False
    description: str = ""


@dataclass(frozen=True, slots=True)
class Reply:
    """One documented response: its media types with their schemas."""

    description: str
    content: Mapping[str, Schema] = field(default_factory=dict)
    retry_after: bool = False


@dataclass(frozen=True, slots=True)
class Operation:
    """One row of the route table, from which the OpenAPI document and the validation derive."""

    id: str
    method: str
    path: str
    tag: str
    summary: str
    replies: Mapping[int, Reply]
    parameters: tuple[Parameter, ...] = ()
    body: Schema | None = None
    body_required: bool = True
    deprecated: bool = False


def in_path(name: str, description: str = "") -> Parameter:
    return Parameter(name, text(), where="path", required=True, description=description)


ICCID = in_path("iccid", "ICCID of one of your eSIMs, 19 digits.")
BUNDLE_NAME = in_path("name", "Bundle name; case-sensitive.")
ASSIGNMENT_ID = in_path("assignmentId", "Id of the assignment, also called offerId.")


def ok(schema: Schema) -> Reply:
    """Return a successful JSON response."""
    return Reply("Success.", {JSON: schema})


MESSAGE = ref("Message")
FAILURES: Mapping[int, Reply] = {
    400: Reply("The request is invalid; the message contains the reason.", {JSON: MESSAGE}),
    401: Reply("The key is missing or wrong.", {JSON: MESSAGE}),
    402: Reply(
        "The balance is too low, if the switch low_balance_status says so.", {JSON: MESSAGE}
    ),
    403: Reply(
        "The key is invalid, the ICCID belongs to another organisation, or the feature is not"
        " enabled.",
        {JSON: MESSAGE},
    ),
    410: Reply("The eSIM has been deactivated.", {JSON: MESSAGE}),
    429: Reply(
        "The rate limit of this window has been exceeded.", {JSON: MESSAGE}, retry_after=True
    ),
    500: Reply("Internal error of the provider.", {JSON: MESSAGE}),
    503: Reply("Not ready yet.", {JSON: MESSAGE}, retry_after=True),
}


def failing(*statuses: int) -> dict[int, Reply]:
    """Return the documented failures: 400, 403, 429 and 500, and others where named."""
    return {status: FAILURES[status] for status in sorted({400, 403, 429, 500, *statuses})}
