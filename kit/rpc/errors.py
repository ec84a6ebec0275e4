"""Conversion of failures to gRPC's rich errors and back."""

import asyncio
from collections.abc import Mapping
from typing import NoReturn, cast

import grpc
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import DecodeError
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status

from kit.errors import SERVICE_UNAVAILABLE, Failure, Kind
from kit.rpc import error_size
from kit.rpc.call import Context

DOMAIN = "esimgo"
# The reason if a peer lacks a method, as during an upgrade.
METHOD_UNKNOWN = "METHOD_UNKNOWN"

CODES: Mapping[Kind, grpc.StatusCode] = {
    Kind.INVALID: grpc.StatusCode.INVALID_ARGUMENT,
    Kind.UNAUTHENTICATED: grpc.StatusCode.UNAUTHENTICATED,
    Kind.FORBIDDEN: grpc.StatusCode.PERMISSION_DENIED,
    Kind.NOT_FOUND: grpc.StatusCode.NOT_FOUND,
    Kind.CONFLICT: grpc.StatusCode.ALREADY_EXISTS,
    Kind.REFUSED: grpc.StatusCode.FAILED_PRECONDITION,
    Kind.EXHAUSTED: grpc.StatusCode.RESOURCE_EXHAUSTED,
    Kind.UNAVAILABLE: grpc.StatusCode.UNAVAILABLE,
    Kind.UNCLEAR: grpc.StatusCode.ABORTED,
    Kind.DEADLINE: grpc.StatusCode.DEADLINE_EXCEEDED,
    Kind.INTERNAL: grpc.StatusCode.INTERNAL,
}
KINDS = {code: kind for kind, code in CODES.items()}


def to_status(failure: Failure) -> grpc.Status:
    """Convert a failure to a google.rpc.Status, for `context.abort_with_status`.

    What has no room in gRPC's metadata is left out.
    """
    failure = error_size.limited(failure)
    status = status_pb2.Status(
        code=code_pb2.Code.Value(CODES[failure.kind].name), message=failure.message
    )
    info = error_details_pb2.ErrorInfo(
        domain=DOMAIN, reason=failure.reason, metadata=failure.details
    )
    status.details.add().Pack(info)
    if failure.fields:
        bad = error_details_pb2.BadRequest()
        for path, text in failure.fields.items():
            bad.field_violations.add(field=path, description=text)
        status.details.add().Pack(bad)
    if failure.retry_after is not None:
        delay = Duration()
        delay.FromNanoseconds(int(failure.retry_after * 1e9))
        status.details.add().Pack(error_details_pb2.RetryInfo(retry_delay=delay))
    return rpc_status.to_status(status)


async def abort(context: Context, failure: Failure) -> NoReturn:
    """End the current call with a failure."""
    try:
        await context.abort_with_status(to_status(failure))
    except grpc.aio.InternalError:  # the caller has disconnected
        raise asyncio.CancelledError from None


def from_error(error: grpc.aio.AioRpcError) -> Failure:
    """Return the peer's failure. Of any other error only the kind is used, not the text."""
    info = error_details_pb2.ErrorInfo()
    bad = error_details_pb2.BadRequest()
    retry = error_details_pb2.RetryInfo()
    ours = False
    try:
        status = rpc_status.from_call(cast(grpc.Call, error))  # has the methods that from_call uses
        for packed in status.details if status else ():
            ours = ours or packed.Unpack(info)
            packed.Unpack(bad)
            packed.Unpack(retry)
    except (ValueError, DecodeError):
        # The status is not the peer's: gRPC received it, and then ended the call with another code.
        status = None
    kind = KINDS.get(error.code(), Kind.INTERNAL)
    if not ours or status is None or info.domain != DOMAIN:
        return _foreign(kind, error.code())
    return Failure(
        kind,
        info.reason,
        status.message,
        fields={v.field: v.description for v in bad.field_violations},
        retry_after=retry.retry_delay.ToNanoseconds() / 1e9 if retry.ByteSize() else None,
        details=dict(info.metadata),
    )


def _foreign(kind: Kind, code: grpc.StatusCode) -> Failure:
    """Return the failure for an error raised by gRPC itself.

    CANCELLED means that the peer's gRPC library dropped the call, because it has too many or the connection
    ends. A call cancelled by our own caller raises asyncio.CancelledError instead.
    """
    if kind is Kind.DEADLINE:
        return Failure(kind, "DEADLINE_EXCEEDED", "A service did not answer in time; try again")
    if kind is Kind.EXHAUSTED or code is grpc.StatusCode.CANCELLED:
        return Failure(
            Kind.UNAVAILABLE,
            "SERVICE_OVERLOADED",
            "A service refused the call because it is overloaded; try again soon",
            retry_after=1.0,
        )
    if code is grpc.StatusCode.UNIMPLEMENTED:
        return Failure(
            Kind.UNAVAILABLE,
            METHOD_UNKNOWN,
            "A service has an older release without this method; try again when its upgrade is over",
        )
    if kind is Kind.UNAVAILABLE:
        return Failure(kind, SERVICE_UNAVAILABLE, "A service is unavailable; try again soon")
    return Failure(Kind.INTERNAL, "INTERNAL", "Internal error")
