"""Parts of handling one gRPC call: metadata, deadline, decoding, and the failure for an error."""

import logging
import time
import uuid
from contextvars import ContextVar
from typing import Any, TypeAlias

import grpc
from google.protobuf.message import DecodeError

from kit.errors import Failure, Kind

logger = logging.getLogger(__name__)

Context: TypeAlias = grpc.aio.ServicerContext[Any, Any]
# When the current call must have ended, by the monotonic clock.
current_deadline: ContextVar[float] = ContextVar("current_deadline")


def time_left() -> float | None:
    """Return the seconds until the deadline of the current call; None outside a call."""
    deadline = current_deadline.get(None)
    return None if deadline is None else max(0.0, deadline - time.monotonic())


def header(context: Context, name: str) -> str | None:
    """Return the value of a metadata key, or None.

    Different values are joined as in HTTP, so that no token or id matches them.
    """
    values = dict.fromkeys(str(v) for k, v in context.invocation_metadata() or () if k == name)
    return ", ".join(values) if values else None


def seconds(context: Any, session: str | None, deadline: float | None) -> float | None:
    """Return the seconds for the call: the caller's own deadline, capped at `deadline` without a session."""
    left: float | None = context.time_remaining()
    if left is None:
        return deadline
    return left if deadline is None or session is not None else min(left, deadline)


def failure_of(method: str, error: Exception) -> Failure:
    """Return the failure for an error. Unexpected ones are masked, and logged under an id in the message."""
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
    """Decode the request message of a method. Raises INVALID if that fails."""
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
    """Return the failure that ends streams when the server stops."""
    return Failure(
        Kind.UNAVAILABLE, "STREAM_ENDED", "This service is shutting down; call another replica"
    )
