"""Creation of the provider's client for a service."""

from functools import partial

from kit.background import Loop
from kit.process.service import Opened
from providers.esim_go import health as provider_health
from providers.esim_go.client import Provider, ProviderSettings
from providers.esim_go.shared_tokens import SharedTokens


def connect(parts: Opened, settings: ProviderSettings) -> Provider:
    """Return a client with a rate limit shared by all processes, and report its state as health."""
    provider = Provider(parts.http, settings, shared=SharedTokens(parts.database))
    show = partial(provider_health.show, parts.health, provider)
    parts.loops.append(
        Loop("show the provider's health", show, parts.stop, every=provider_health.EVERY)
    )
    return provider
