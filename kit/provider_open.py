"""Opens the provider's client for a service."""

from functools import partial

from kit import provider_health
from kit.background import Loop
from kit.provider import Provider, ProviderSettings
from kit.provider_shared import SharedTokens
from kit.service import Opened


def opened(parts: Opened, settings: ProviderSettings) -> Provider:
    """Return a client whose rate limit all processes share, and whose state the service's health shows."""
    provider = Provider(parts.http, settings, shared=SharedTokens(parts.database))
    show = partial(provider_health.show, parts.health, provider)
    parts.loops.append(
        Loop("show the provider's health", show, parts.stop, every=provider_health.EVERY)
    )
    return provider
