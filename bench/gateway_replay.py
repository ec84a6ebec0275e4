"""A gRPC proxy that calls the services once for each different request, then replays the response.

The stream of the catalogue's revision is passed on, so that the gateway caches as usual.

`python -m bench.gateway_replay PORT CATALOGUE ORDERS ESIMS`, with addresses as `host:port`. A replayed
response costs a fraction of a real one, so that the gateways are busy and not the services behind them.
"""

import asyncio
import sys
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import grpc
import uvloop

from kit.rpc import client as rpc_client

# Seconds for a real call; the first about eSIMs waits for the provider.
TIMEOUT = 15.0
STREAM = "/WatchRevision"
SERVICES = ("catalogue", "orders", "esims")


class Replay(grpc.GenericRpcHandler):
    """Handles calls of the three services as bytes; unary ones are cached by method, token and request."""

    def __init__(self, channels: dict[str, grpc.aio.Channel]) -> None:
        self._channels = channels
        self._answers: dict[tuple[str, str, bytes], bytes] = {}

    def service(self, handler_call_details: Any) -> Any:
        """Return a handler without serializers."""
        method = str(handler_call_details.method)
        token = dict(handler_call_details.invocation_metadata).get("authorization", "")
        if method.endswith(STREAM):
            return grpc.unary_stream_rpc_method_handler(partial(self._stream, method))
        return grpc.unary_unary_rpc_method_handler(partial(self._answer, method, token))

    async def _answer(self, method: str, token: str, request: bytes, context: Any) -> bytes:
        key = (method, token, request)
        found = self._answers.get(key)
        if found is None:
            found = self._answers[key] = await self._call(method, token, request, context)
        return found

    def _channel(self, method: str) -> grpc.aio.Channel:
        return self._channels[method.strip("/").split(".")[0]]

    async def _stream(self, method: str, request: bytes, context: Any) -> AsyncIterator[bytes]:
        call: Any = self._channel(method).unary_stream(method)
        async for message in call(request):
            yield message

    async def _call(self, method: str, token: str, request: bytes, context: Any) -> bytes:
        metadata = (("authorization", token),) if token else ()
        call: Any = self._channel(method).unary_unary(method)
        try:
            answer: bytes = await call(request, metadata=metadata, timeout=TIMEOUT)
        except grpc.aio.AioRpcError as error:
            await context.abort(error.code(), error.details() or "", error.trailing_metadata())
            raise
        return answer


async def serve(port: int, addresses: list[str]) -> None:
    """Serve until killed."""
    channels = {
        name: rpc_client.channel(address) for name, address in zip(SERVICES, addresses, strict=True)
    }
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((Replay(channels),))
    server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1]), sys.argv[2:]))
