"""The emulator's ES256 keys: sign access tokens, read them back, show the public halves."""

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
    """Signs with the newest key; every key that wasn't dropped still verifies."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._keys: dict[str, ec.EllipticCurvePrivateKey] = {}
        self._load()
        if not self._keys:
            self.rotate()

    def sign(self, claims: dict[str, Any]) -> str:
        """The claims as a token with the newest key's id in its header."""
        key_id = next(iter(self._keys))
        return jwt.encode(claims, self._keys[key_id], "ES256", headers={"kid": key_id})

    def read(self, token: str, now: float) -> dict[str, Any]:
        """The claims of a token signed here; raises Refusal when it isn't one, or is too old."""
        try:
            key = self._keys.get(str(jwt.get_unverified_header(token).get("kid")))
            if key is None:
                raise Refusal(403, "bad_jwt", "invalid JWT: unrecognized JWT kid")
            # This emulator's clock may be another than the machine's.
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
        """The JWKS document."""
        return {"keys": [_to_jwk(key_id, key) for key_id, key in self._keys.items()]}

    def rotate(self) -> str:
        """Sign with a new key from now on; gives its id."""
        key_id = str(uuid4())
        pem = ec.generate_private_key(ec.SECP256R1()).private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
        )
        with self._store.transaction():
            self._store.add_signing_key(key_id, pem)
        self._load()
        return key_id

    def drop_old(self) -> list[str]:
        """Forget every key but the newest, so that no token signed with them verifies."""
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
    # As JSON text and back: the typed dictionary form differs between versions of the library.
    public: dict[str, Any] = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(key.public_key()))
    return {
        **public,
        "alg": "ES256",
        "ext": True,
        "key_ops": ["verify"],
        "kid": key_id,
        "use": "sig",
    }
