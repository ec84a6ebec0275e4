"""Errors that a peer's gRPC library creates itself, as failures known to callers."""

from typing import Any

import grpc
import pytest
from grpc.aio import AioRpcError, Metadata

from kit.errors import Failure, Kind
from kit.rpc.errors import from_error, to_status

CODES = grpc.StatusCode


@pytest.mark.parametrize(
    ("code", "kind", "reason"),
    [
        (CODES.CANCELLED, Kind.UNAVAILABLE, "SERVICE_OVERLOADED"),
        (CODES.RESOURCE_EXHAUSTED, Kind.UNAVAILABLE, "SERVICE_OVERLOADED"),
        (CODES.UNAVAILABLE, Kind.UNAVAILABLE, "SERVICE_UNAVAILABLE"),
        (CODES.DEADLINE_EXCEEDED, Kind.DEADLINE, "DEADLINE_EXCEEDED"),
        (CODES.UNKNOWN, Kind.INTERNAL, "INTERNAL"),
        (CODES.UNIMPLEMENTED, Kind.UNAVAILABLE, "METHOD_UNKNOWN"),
    ],
)
def test_a_status_without_our_details_maps_to_a_known_kind(
    code: grpc.StatusCode, kind: Kind, reason: str
) -> None:
    failure = from_error(AioRpcError(code, Metadata(), Metadata(), "words of a library"))
    assert (failure.kind, failure.reason) == (kind, reason)
    assert "library" not in failure.message
    assert (failure.retry_after is not None) == (reason == "SERVICE_OVERLOADED")


@pytest.mark.parametrize(
    "details",
    [
        to_status(Failure(Kind.INVALID, "REASON", "text")).trailing_metadata,
        (("grpc-status-details-bin", b"not a message"),),
    ],
    ids=["of another code", "undecodable"],
)
def test_details_that_do_not_fit_the_status_are_ignored(details: Any) -> None:
    text = "received metadata size exceeds soft limit"
    failure = from_error(
        AioRpcError(CODES.RESOURCE_EXHAUSTED, Metadata(), Metadata(*details), text)
    )
    assert (failure.kind, failure.reason) == (Kind.UNAVAILABLE, "SERVICE_OVERLOADED")
