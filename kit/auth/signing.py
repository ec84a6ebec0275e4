"""Keys that sign the tokens of API keys, and how they are stored. Without I/O or a clock."""

import base64
import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import jwt
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from kit.auth import api_keys

ALGORITHM = "ES256"
_NONCE_BYTES = 12
# Separates this use of the secret from any other.
_PURPOSE = b"esimgo: signing keys of API keys"


class Sealing:
    """Encrypts private keys for storage, under a key that is derived from a secret of the platform."""

    def __init__(self, secret: str) -> None:
        derived = HKDF(SHA256(), length=32, salt=None, info=_PURPOSE).derive(secret.encode())
        self._cipher = AESGCM(derived)

    def seal(self, key: "SigningKey") -> bytes:
        """Return the encrypted private key; the key's id is authenticated with it."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        private = key.private.private_bytes(
            serialization.Encoding.DER,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        return nonce + self._cipher.encrypt(nonce, private, key.id.encode())

    def open(self, key_id: str, sealed: bytes) -> "SigningKey | None":
        """Return the key; None if it was sealed under another secret, or isn't the key of that id."""
        nonce, encrypted = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
        try:
            decrypted = self._cipher.decrypt(nonce, encrypted, key_id.encode())
        except (InvalidTag, ValueError):
            return None
        private = serialization.load_der_private_key(decrypted, None)
        if not isinstance(private, ec.EllipticCurvePrivateKey):
            return None
        return SigningKey(key_id, private)


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key, and the id under which its public key is published."""

    id: str
    private: ec.EllipticCurvePrivateKey = field(repr=False)

    @classmethod
    def create(cls) -> "SigningKey":
        return cls(secrets.token_hex(8), ec.generate_private_key(ec.SECP256R1()))

    def public(self) -> dict[str, str]:
        """Return the public key as a JWK."""
        numbers = self.private.public_key().public_numbers()
        x, y = (
            base64.urlsafe_b64encode(number.to_bytes(32, "big")).rstrip(b"=").decode()
            for number in (numbers.x, numbers.y)
        )
        fixed = {"kty": "EC", "crv": "P-256", "alg": ALGORITHM, "use": "sig"}
        return {**fixed, "kid": self.id, "x": x, "y": y}

    def token(
        self, key_id: UUID, organization_id: UUID, scopes: Sequence[str], *, now: int, expires: int
    ) -> str:
        """Return a token for an API key, valid from `now` to `expires`, in seconds since 1970."""
        claims = {
            "iss": api_keys.ISSUER,
            "aud": api_keys.AUDIENCE,
            "sub": str(key_id),
            "role": "authenticated",
            "organization_id": str(organization_id),
            "scope": " ".join(scopes),
            "iat": now,
            "exp": expires,
        }
        return jwt.encode(claims, self.private, ALGORITHM, headers={"kid": self.id})


def key_set(public: Sequence[Mapping[str, Any]]) -> bytes:
    """Return a JWKS document with these public keys."""
    return json.dumps({"keys": [dict(one) for one in public]}).encode()
