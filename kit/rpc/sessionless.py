"""Limits for health checks and reflection, which count among the calls without a session."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import grpc

from kit.errors import Failure
from kit.rpc.admission import too_many
from kit.rpc.bounds import Bounds
from kit.rpc.call import Context
from kit.rpc.errors import abort

Refused = Callable[[Failure], None]


def bounded(handler: Any, bounds: Bounds, refused: Refused) -> Any:
    """Wrap a handler so that its calls count toward the limits; `refused` is called for each refused call."""
    codecs = (handler.request_deserializer, handler.response_serializer)
    if handler.request_streaming:
        behavior = _counted(_written(handler.stream_stream), bounds, refused)
        return grpc.stream_stream_rpc_method_handler(behavior, *codecs)
    if handler.response_streaming:
        behavior = _counted(handler.unary_stream, bounds, refused)
        return grpc.unary_stream_rpc_method_handler(behavior, *codecs)
    behavior = _counted(handler.unary_unary, bounds, refused)
    return grpc.unary_unary_rpc_method_handler(behavior, *codecs)


def _counted(
    behavior: Callable[..., Awaitable[Any]], bounds: Bounds, refused: Refused
) -> Callable[..., Awaitable[Any]]:
    async def call(request: Any, context: Context) -> Any:
        admitted = None
        try:
            admitted = bounds.admit(context, has_session=False)
            return await behavior(request, context)
        except Failure as failure:
            refused(failure)
            await abort(context, failure)
        except grpc.aio.InternalError:  # the caller has disconnected
            raise asyncio.CancelledError from None
        except asyncio.CancelledError:
            if admitted is None or not admitted.call.evicted:
                raise
            refused(overload := too_many())
            await abort(context, overload)
        finally:
            if admitted is not None:
                admitted.leave(context)

    return call


def _written(behavior: Callable[..., Any]) -> Callable[..., Awaitable[None]]:
    """Convert a generator of messages to a coroutine that writes them."""

    async def call(requests: Any, context: Context) -> None:
        async for message in behavior(requests, context):
            await context.write(message)

    return call
