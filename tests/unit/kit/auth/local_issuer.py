"""An issuer of tokens for tests: its keys, its JWKS over real HTTP, and a clock."""

import asyncio
import base64
import gzip
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import aiohttp
import jwt
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from kit.auth.sessions import Verifier
from kit.errors import Failure, Kind
from tests.fixtures.stepped_clock import ManualClock

USER_ID = UUID("6f1c1a52-3c0e-4b5e-9a53-0f7e6f0f5a11")
SERVICE_ROLE_KEY = "the-service-role-key-of-this-test"
SECRET = "a shared secret of more than thirty-two bytes"
START = 1_790_000_000.0

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey

# Created once, as an RSA key takes about a second.
EC_KEY = ec.generate_private_key(ec.SECP256R1())
OTHER_EC_KEY = ec.generate_private_key(ec.SECP256R1())
RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


class Issuer:
    """Serves `keys` as a JWKS, counts the fetches, and misbehaves on request."""

    def __init__(self, clock: ManualClock[float]) -> None:
        self.clock = clock
        self.keys: dict[str, PrivateKey] = {"ec": EC_KEY, "rsa": RSA_KEY}
        self.status = 200
        self.body: str | None = None
        self.padding = 0  # bytes of padding behind the key set, which is then compressed
        self.fetches = 0
        self.asked = asyncio.Event()
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        app = web.Application()
        app.router.add_get("/auth/v1/.well-known/jwks.json", self._serve)
        self.server = TestServer(app)

    @property
    def url(self) -> str:
        return str(self.server.make_url("")).rstrip("/")

    async def _serve(self, _request: web.Request) -> web.Response:
        self.fetches += 1
        self.asked.set()
        document = {"keys": [to_jwk(key_id, key) for key_id, key in self.keys.items()]}
        await self.may_answer.wait()
        text = json.dumps(document) if self.body is None else self.body
        if self.padding:
            packed = gzip.compress((text + " " * self.padding).encode())
            return web.Response(body=packed, headers={"Content-Encoding": "gzip"})
        return web.Response(status=self.status, text=text, content_type="application/json")

    def claims(self, **changed: Any) -> dict[str, Any]:
        """Return valid claims with some changed; None removes one."""
        claims: dict[str, Any] = {
            "iss": f"{self.url}/auth/v1",
            "sub": str(USER_ID),
            "aud": "authenticated",
            "iat": int(self.clock.now),
            "exp": int(self.clock.now) + 3600,
            "email": "ada@example.com",
            "role": "authenticated",
            "app_metadata": {"provider": "email"},
            "user_metadata": {},
            "is_anonymous": False,
        }
        claims.update(changed)
        return {name: value for name, value in claims.items() if value is not None}

    def token(self, key_id: str = "ec", **changed: Any) -> str:
        """Return a valid token, signed with one of `keys`."""
        key = self.keys[key_id]
        algorithm = "RS256" if isinstance(key, rsa.RSAPrivateKey) else "ES256"
        return jwt.encode(self.claims(**changed), key, algorithm, headers={"kid": key_id})

    def secret_token(self, secret: str = SECRET, **changed: Any) -> str:
        return jwt.encode(self.claims(**changed), secret, "HS256")


@asynccontextmanager
async def local_issuer() -> AsyncIterator[Issuer]:
    issuer = Issuer(ManualClock(START))
    await issuer.server.start_server()
    try:
        yield issuer
    finally:
        issuer.may_answer.set()
        await issuer.server.close()


def make_verifier(issuer: Issuer, http: aiohttp.ClientSession, **changed: Any) -> Verifier:
    """A verifier that trusts the issuer and shares its clock."""
    settings: dict[str, Any] = {
        "supabase_url": issuer.url,
        "service_role_key": SERVICE_ROLE_KEY,
        "http": http,
        "clock": issuer.clock,
    }
    return Verifier(**(settings | changed))


async def refusal(verifier: Verifier, header: str) -> Failure:
    """Return the failure with which the header is refused."""
    with pytest.raises(Failure) as caught:
        await verifier.session(header)
    return caught.value


async def assert_refused(verifier: Verifier, token: str, reason: str) -> Failure:
    """Expect a refusal of the token with the common message."""
    failure = await refusal(verifier, f"Bearer {token}")
    assert failure.kind is Kind.UNAUTHENTICATED
    assert failure.reason == reason
    assert failure.message.startswith("Not authenticated: ")
    return failure


def to_jwk(key_id: str, key: PrivateKey) -> dict[str, Any]:
    public = key.public_key()
    if isinstance(public, rsa.RSAPublicKey):
        text, algorithm = jwt.algorithms.RSAAlgorithm.to_jwk(public), "RS256"
    else:
        text, algorithm = jwt.algorithms.ECAlgorithm.to_jwk(public), "ES256"
    return {**json.loads(text), "kid": key_id, "alg": algorithm, "use": "sig"}


def hand_made(
    header: dict[str, Any], claims: Any, sign: Callable[[bytes], bytes] = lambda _: b""
) -> str:
    """Build a token without a library's checks."""
    signed = ".".join(_encode(json.dumps(part).encode()) for part in (header, claims))
    return f"{signed}.{_encode(sign(signed.encode()))}"


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
