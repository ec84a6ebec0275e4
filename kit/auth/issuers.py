"""The issuers whose access tokens a process trusts, each with its own keys, algorithms and rules."""

from collections.abc import Callable
from dataclasses import dataclass

import aiohttp

from kit.auth import api_keys, jwks, tokens
from kit.auth.jwks import KeySet, KeySource

PEOPLE_UNAVAILABLE = (
    "The session can't be verified because the auth server's signing keys are unavailable; try"
    " again"
)
API_KEYS_UNAVAILABLE = (
    "The API key can't be verified because the keys that sign its tokens are unavailable; try again"
)


@dataclass(frozen=True, slots=True)
class Issuer:
    """A trusted issuer. `check` verifies the claims of a token whose signature is valid."""

    name: str
    audience: str
    algorithms: frozenset[str]
    keys: KeySet
    check: Callable[..., tokens.User]


def of_people(
    name: str,
    audience: str,
    url: str,
    http: aiohttp.ClientSession,
    *,
    ttl: float,
    cooldown: float,
    clock: Callable[[], float],
) -> Issuer:
    """Return Supabase Auth as an issuer, whose tokens belong to people and may carry a platform role."""
    keys = KeySet(
        jwks.at_url(url, http),
        ttl=ttl,
        cooldown=cooldown,
        clock=clock,
        unavailable=PEOPLE_UNAVAILABLE,
    )
    return Issuer(name, audience, frozenset({"ES256", "RS256"}), keys, tokens.check_claims)


def of_api_keys(
    source: KeySource, *, ttl: float, cooldown: float, clock: Callable[[], float]
) -> Issuer:
    """Return the issuer of API keys' tokens, which can carry no platform role and no person's id."""
    keys = KeySet(
        source,
        ttl=ttl,
        cooldown=cooldown,
        clock=clock,
        unavailable=API_KEYS_UNAVAILABLE,
    )
    return Issuer(
        api_keys.ISSUER,
        api_keys.AUDIENCE,
        frozenset({"ES256"}),
        keys,
        tokens.check_api_key_claims,
    )
