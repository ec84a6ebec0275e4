"""The emulator's ES256 keys, which sign and verify access tokens."""

import json
from typing import Any
from uuid import uuid4

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from sandbox.auth.errors import Refusal
from sandbox.auth.store import Store


class Signer:
    """Signs with the newest key, and verifies with every key that was not dropped."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._keys: dict[str, ec.EllipticCurvePrivateKey] = {}
        self._load()
        if not self._keys:
            self.rotate()

    def sign(self, claims: dict[str, Any]) -> str:
        """Return the claims as a token with the newest key's id in its header."""
        key_id = next(iter(self._keys))
        return jwt.encode(claims, self._keys[key_id], "ES256", headers={"kid": key_id})

    def read(self, token: str, now: float) -> dict[str, Any]:
        """Return the claims of a token signed here; raise Refusal if it is invalid or expired."""
        try:
            key = self._keys.get(str(jwt.get_unverified_header(token).get("kid")))
            if key is None:
                raise Refusal(403, "bad_jwt", "invalid JWT: unrecognized JWT kid")
            # The emulator's clock may differ from the machine's.
            claims: dict[str, Any] = jwt.decode(
                token,
                key.public_key(),
                algorithms=["ES256"],
                audience="authenticated",
                options={"verify_exp": False, "verify_iat": False, "require": ["exp", "sub"]},
            )
        except jwt.PyJWTError as error:
            raise Refusal(
                403, "bad_jwt", "invalid JWT: unable to parse or verify signature"
            ) from error
        if now >= claims["exp"]:
            raise Refusal(
                403,
                "bad_jwt",
                "invalid JWT: unable to parse or verify signature, token has invalid claims:"
                " token is expired",
            )
        return claims

    def key_set(self) -> dict[str, Any]:
        return {"keys": [_to_jwk(key_id, key) for key_id, key in self._keys.items()]}

    def rotate(self) -> str:
        """Sign with a new key from now on; return its id."""
        key_id = str(uuid4())
        pem = ec.generate_private_key(ec.SECP256R1()).private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
        )
        with self._store.transaction():
            self._store.add_signing_key(key_id, pem)
        self._load()
        return key_id

    def drop_old(self) -> list[str]:
        """Drop every key but the newest, which makes tokens signed with them invalid."""
        dropped = list(self._keys)[1:]
        with self._store.transaction():
            for key_id in dropped:
                self._store.drop_signing_key(key_id)
        self._load()
        return dropped

    def _load(self) -> None:
        self._keys = {}
        for key_id, pem in self._store.signing_keys():
            key = load_pem_private_key(pem, password=None)
            if not isinstance(key, ec.EllipticCurvePrivateKey):
                raise TypeError("the state file contains a signing key of another type")
            self._keys[key_id] = key


def _to_jwk(key_id: str, key: ec.EllipticCurvePrivateKey) -> dict[str, Any]:
    # As JSON text and back, as the dictionary's type differs between versions of the library.
    public: dict[str, Any] = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(key.public_key()))
    return {
        **public,
        "alg": "ES256",
        "ext": True,
        "key_ops": ["verify"],
        "kid": key_id,
        "use": "sig",
    }
