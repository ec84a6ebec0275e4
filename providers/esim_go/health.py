"""Health of the provider client, reported by the service's health endpoint."""

from kit.rpc.health import Health
from providers.esim_go.client import Provider

# The service name in gRPC health checks. The server itself stays SERVING, because reads still work and a
# restart would not help.
NAME = "provider"
# Seconds, shorter than the interval of any probe.
EVERY = 1.0


async def show(health: Health, provider: Provider) -> None:
    """Report NOT_SERVING while the circuit is open or the provider requests a pause."""
    provider.holds.refresh()
    health.set(NAME, serving=provider.circuit != "open" and provider.holds.until is None)
