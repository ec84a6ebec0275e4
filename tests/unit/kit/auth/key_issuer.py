"""The issuer of API keys' tokens, without its service."""

from typing import Any
from uuid import UUID, uuid4

import jwt

from kit.auth import api_keys
from kit.auth.signing import SigningKey, key_set
from tests.unit.kit.auth.local_issuer import Issuer

KEY_ID = api_keys.create_id()
ORGANIZATION = uuid4()


class KeyIssuer:
    """The issuer of API keys' tokens, without its service: its keys, and how often they were fetched."""

    def __init__(self, issuer: Issuer) -> None:
        self.clock = issuer.clock
        self.key = SigningKey.create()
        self.published = [self.key]
        self.fetches = 0
        self.failure: Exception | None = None

    async def fetch(self) -> bytes:
        self.fetches += 1
        if self.failure is not None:
            raise self.failure
        return key_set([one.public() for one in self.published])

    def token(self, *scopes: str, key_id: UUID = KEY_ID) -> str:
        """Return a token as the orders service signs it."""
        now = int(self.clock.now)
        return self.key.token(key_id, ORGANIZATION, scopes, now=now, expires=now + 300)

    def signed(self, key: Any = None, kid: str | None = None, **changed: Any) -> str:
        """Return a token with other claims, which this issuer's key signs by default; None removes one."""
        now = int(self.clock.now)
        claims: dict[str, Any] = {
            "iss": api_keys.ISSUER,
            "aud": api_keys.AUDIENCE,
            "sub": str(KEY_ID),
            "role": "authenticated",
            "scope": "plans:read",
            "iat": now,
            "exp": now + 300,
        } | changed
        claims = {name: value for name, value in claims.items() if value is not None}
        signer = self.key.private if key is None else key
        return jwt.encode(claims, signer, "ES256", headers={"kid": kid or self.key.id})
