"""What one call to a gRPC server says of itself, and what its caller hears of an error."""

import logging
import uuid
from typing import Any

import grpc
from google.protobuf.message import DecodeError

from kit.errors import Failure, Kind

logger = logging.getLogger(__name__)


def header(context: grpc.aio.ServicerContext[Any, Any], name: str) -> str | None:
    """The first value that the caller sent in its metadata under that name."""
    return next((str(v) for k, v in context.invocation_metadata() or () if k == name), None)


def seconds(context: Any, session: str | None, deadline: float | None) -> float | None:
    """Seconds for the call: the caller's own, if it has a session, or else no more than the usual ones."""
    left: float | None = context.time_remaining()
    if left is None:
        return deadline
    return left if deadline is None or session is not None else min(left, deadline)


def failure_of(method: str, error: Exception) -> Failure:
    """What the caller hears of an error; the unexpected is logged under an id that the caller gets."""
    if isinstance(error, Failure):
        return error
    if isinstance(error, TimeoutError):
        return Failure(Kind.DEADLINE, "DEADLINE_EXCEEDED", "The deadline has passed; try again")
    fault = uuid.uuid4().hex[:12]
    logger.error("%s failed, fault %s", method, fault, exc_info=error)
    return Failure(
        Kind.INTERNAL,
        "INTERNAL",
        f"Internal error. Report the fault id {fault} to the operator",
        details={"fault_id": fault},
    )


def decoded(handler: Any, body: bytes) -> Any:
    """The request of a method. Raise INVALID if it is none."""
    try:
        return handler.request_deserializer(body)
    except DecodeError:
        raise Failure(
            Kind.INVALID,
            "UNDECODABLE_REQUEST",
            "The request can't be decoded as the message of this method; build it from the"
            " current .proto",
        ) from None


def ended() -> Failure:
    """What a stream ends with when its server stops."""
    return Failure(
        Kind.UNAVAILABLE, "STREAM_ENDED", "This service is shutting down; call another replica"
    )
