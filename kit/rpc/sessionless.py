"""Health and reflection, which need no session: counted among the calls without one."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import grpc

from kit.errors import Failure
from kit.rpc.admission import too_many
from kit.rpc.bounds import Bounds
from kit.rpc.errors import abort

Refused = Callable[[Failure], None]


def bounded(handler: Any, bounds: Bounds, refused: Refused) -> Any:
    """The handler, for as many callers as the server has places for; `refused` hears of the others."""
    if handler.request_streaming:
        return grpc.stream_stream_rpc_method_handler(
            _counted(_each(handler.stream_stream), bounds, refused),
            handler.request_deserializer,
            handler.response_serializer,
        )
    if handler.response_streaming:
        return grpc.unary_stream_rpc_method_handler(
            _counted(handler.unary_stream, bounds, refused),
            handler.request_deserializer,
            handler.response_serializer,
        )
    return grpc.unary_unary_rpc_method_handler(
        _counted(handler.unary_unary, bounds, refused),
        handler.request_deserializer,
        handler.response_serializer,
    )


def _counted(
    behavior: Callable[..., Awaitable[Any]], bounds: Bounds, refused: Refused
) -> Callable[..., Awaitable[Any]]:
    async def call(request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
        taken = None
        try:
            taken = bounds.take(context, has_session=False)
            return await behavior(request, context)
        except Failure as failure:
            refused(failure)
            await abort(context, failure)
        except grpc.aio.InternalError:  # nothing can be sent: the caller is gone
            raise asyncio.CancelledError from None
        except asyncio.CancelledError:
            if taken is None or not taken.call.given_up:
                raise
            refused(lost := too_many())
            await abort(context, lost)
        finally:
            if taken is not None:
                taken.leave(context)

    return call


def _each(behavior: Callable[..., Any]) -> Callable[..., Awaitable[None]]:
    """A generator of answers as a coroutine that writes them."""

    async def call(requests: Any, context: grpc.aio.ServicerContext[Any, Any]) -> None:
        async for answer in behavior(requests, context):
            await context.write(answer)

    return call
