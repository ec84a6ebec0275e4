"""Shows in a server's health whether the provider is called, beside the server's own state."""

from kit.rpc.health import Health
from providers.esim_go.client import Provider

# The name to ask gRPC's health service for. The server's own name stays SERVING while the provider
# is away: what is stored can be read, and restarting the server would not help.
NAME = "provider"
# Seconds; shorter than any prober asks.
EVERY = 1.0


async def show(health: Health, provider: Provider) -> None:
    """Set NOT_SERVING while the circuit is open, or while the provider asks for a pause."""
    provider.holds.refresh()
    health.set(NAME, serving=provider.circuit != "open" and provider.holds.until is None)
