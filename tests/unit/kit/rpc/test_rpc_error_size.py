"""Failures of any size as the metadata of a gRPC response."""

import base64
from urllib.parse import quote_from_bytes

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2

from kit.errors import Failure, Kind, invalid
from kit.rpc.errors import to_status

# gRPC's default limit for the metadata of a response, without the headers that every response has.
LIMIT = 8 * 1024 - 400
TEXT = "must be a whole number from 1 to 100, not -1"


def size(status: grpc.Status) -> int:
    """Return the bytes of the encoded message and details."""
    sent = 0
    for name, value in (
        ("grpc-message", quote_from_bytes((status.details or "").encode(), " /?#&=+,;:@'\"()[]")),
        *(status.trailing_metadata or ()),
    ):
        plain = base64.b64encode(value).decode() if isinstance(value, bytes) else value
        sent += len(name) + len(plain)
    return sent


def content(
    status: grpc.Status,
) -> tuple[error_details_pb2.ErrorInfo, error_details_pb2.BadRequest]:
    packed = dict(status.trailing_metadata or ())["grpc-status-details-bin"]
    assert isinstance(packed, bytes)
    info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    for one in status_pb2.Status.FromString(packed).details:
        one.Unpack(info)
        one.Unpack(bad)
    return info, bad


@pytest.mark.parametrize(
    "failure",
    [
        invalid({f"items[{n}].quantity": TEXT for n in range(5_000)}),
        invalid({f"items[{n}]": "数量必须在一和一百之间" for n in range(5_000)}),
        invalid({f"items[{n}]": "\0%\n" * 10 for n in range(5_000)}),
        invalid({f"{n}" * 200: "\N{GRINNING FACE}" * 2_000 for n in range(5)}),
        invalid({"x" * 100_000: "y" * 100_000}),
        invalid({"x": "\ud83d" * 10_000}),
        Failure(Kind.REFUSED, "REASON", "数" * 100_000),
        Failure(Kind.REFUSED, "REASON", "short", fields={str(n): TEXT for n in range(5_000)}),
        Failure(Kind.REFUSED, "REASON", "%" * 9_000, details={str(n): "数" for n in range(5_000)}),
        Failure(Kind.REFUSED, "REASON", "short", details={"plans": "x" * 100_000, "count": "9"}),
    ],
    ids=range(10),
)
def test_a_failure_of_any_size_fits_into_the_metadata(failure: Failure) -> None:
    status = to_status(failure)
    assert size(status) <= LIMIT
    info, bad = content(status)
    assert info.reason == failure.reason
    assert status.code is not grpc.StatusCode.INTERNAL
    named = len(bad.field_violations)
    left_out = len(failure.fields) - named
    assert int(info.metadata.get("omitted_fields", 0)) == left_out
    if left_out:
        assert "more" in (status.details or "") or "left out" in (status.details or "")


def test_a_message_that_joins_many_fields_names_the_first_and_counts_the_others() -> None:
    status = to_status(invalid({f"items[{n}].quantity": TEXT for n in range(200)}))
    message = status.details or ""
    *texts, more = message.split("; ")
    assert texts == [f"items[{n}].quantity: {TEXT}" for n in range(len(texts))]
    assert more == f"and {200 - len(texts)} more"
    _, bad = content(status)
    assert [v.field for v in bad.field_violations] == [
        f"items[{n}].quantity" for n in range(len(bad.field_violations))
    ]
    assert {v.description for v in bad.field_violations} == {TEXT}
    assert 40 < len(bad.field_violations) < 200


def test_long_texts_are_cut_and_end_with_an_ellipsis() -> None:
    status = to_status(invalid({"name": "数" * 5_000}))
    (violation,) = content(status)[1].field_violations
    assert violation.field == "name"
    assert violation.description.rstrip(".") == "数" * 340
    assert violation.description.endswith("...")
    assert (status.details or "").startswith("name: 数")
    assert (status.details or "").endswith("...")


def test_details_are_sent_whole_or_not_at_all() -> None:
    details = {"plans": "plan," * 1_000, "count": "1000"}
    info, _ = content(to_status(Failure(Kind.REFUSED, "REASON", "text", details=details)))
    assert dict(info.metadata) == {"count": "1000"}


def test_a_failure_that_is_passed_on_counts_what_earlier_services_left_out() -> None:
    fields = {f"items[{n}]": TEXT for n in range(400)}
    details = {"omitted_fields": "600"}
    info, bad = content(
        to_status(Failure(Kind.INVALID, "REASON", "text", fields=fields, details=details))
    )
    assert int(info.metadata["omitted_fields"]) + len(bad.field_violations) == 1_000
