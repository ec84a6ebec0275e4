"""Shows in a server's health whether the provider is called, beside the server's own state."""

import asyncio
from contextlib import suppress

from grpc_health.v1 import health_pb2

from kit.provider import Provider
from kit.rpc import Running

# The name to ask gRPC's health service for. The server's own name stays SERVING while the provider
# is away: what is stored can be read, and restarting the server would not help.
NAME = "provider"
# Seconds; shorter than any prober asks.
EVERY = 1.0


async def show(running: Running, provider: Provider, stop: asyncio.Event) -> None:
    """Until the stop: NOT_SERVING while the circuit is open, or the provider asked for a pause."""
    shown: int | None = None
    while not stop.is_set():
        provider.holds.refresh()
        is_open = provider.circuit == "open" or provider.holds.until is not None
        state = (
            health_pb2.HealthCheckResponse.NOT_SERVING
            if is_open
            else health_pb2.HealthCheckResponse.SERVING
        )
        if state != shown:
            shown = state
            await running.health.set(NAME, state)
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), EVERY)
