"""gRPC health service. Unlike in grpcio's own, a watcher that does not read doesn't block the others."""

import asyncio
from typing import Any

import grpc
from grpc_health.v1 import health_pb2 as pb
from grpc_health.v1 import health_pb2_grpc

NAME = "grpc.health.v1.Health"


class Health(health_pb2_grpc.HealthServicer):
    """The state of each service name; the server's own name is empty."""

    def __init__(self) -> None:
        self._states: dict[str, int] = {"": pb.HealthCheckResponse.SERVING}
        self._changed = asyncio.Event()
        self._stopping = False

    @property
    def serving(self) -> bool:
        """True if the server itself is SERVING."""
        return bool(self._states[""] == pb.HealthCheckResponse.SERVING)

    def set(self, name: str, *, serving: bool) -> None:
        """Set the state of a name, unless the server is stopping."""
        states = pb.HealthCheckResponse
        if not self._stopping:
            self._update({name: states.SERVING if serving else states.NOT_SERVING})

    def stop(self) -> None:
        """Report NOT_SERVING for every name from now on."""
        self._stopping = True
        self._update(dict.fromkeys(self._states, pb.HealthCheckResponse.NOT_SERVING))

    def _update(self, states: dict[str, int]) -> None:
        self._states |= states
        self._changed.set()
        self._changed = asyncio.Event()

    async def Check(self, request: pb.HealthCheckRequest, context: Any) -> pb.HealthCheckResponse:
        state = self._states.get(request.service)
        if state is None:
            await context.abort(
                grpc.StatusCode.NOT_FOUND,
                "This server has no service of that name; use server reflection to list its"
                " services",
            )
        return pb.HealthCheckResponse(status=state)

    async def Watch(self, request: pb.HealthCheckRequest, context: Any) -> None:
        sent = None
        while True:
            changed = self._changed
            state = self._states.get(request.service, pb.HealthCheckResponse.SERVICE_UNKNOWN)
            if state != sent:
                await context.write(pb.HealthCheckResponse(status=state))
                sent = state
            else:
                await changed.wait()
