"""One-time links of exports: their tokens, and what is stored with them.

The orders service stores what a link stands for, with the session of who created it, encrypted under a key
that only the link's token gives. So no database and no backup has a usable session, and an export by link is
made with the session of its creator, as if it came with the request.
"""

import hashlib
import json
import secrets
from dataclasses import asdict, dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from gateway.sheets.exports.export import Export
from kit.errors import Failure, Kind

PATH = "/exports/links/"
TOKEN_BYTES = 32
NONCE_BYTES = 12
# Separates this use of a token from its hash.
PURPOSE = b"esimgo: export links"


@dataclass(frozen=True, slots=True)
class Linked:
    """What a link stands for: an export, and the access token of who created the link."""

    export: Export
    session: str = field(repr=False)


def new_token() -> str:
    """Return a new random token, which fits into a URL."""
    return secrets.token_urlsafe(TOKEN_BYTES)


def token_hash(token: str) -> bytes:
    """Return the hash under which a link is stored; a token's entropy needs no slow hash."""
    return hashlib.sha256(token.encode()).digest()


def seal(token: str, linked: Linked) -> bytes:
    """Return what is stored with a link."""
    nonce = secrets.token_bytes(NONCE_BYTES)
    text = json.dumps({"export": asdict(linked.export), "session": linked.session})
    return nonce + _cipher(token).encrypt(nonce, text.encode(), None)


def opened(token: str, sealed: bytes) -> Linked:
    """Return what a link stands for; raise Failure NOT_FOUND if it was stored for another token."""
    try:
        text = _cipher(token).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], None)
    except (InvalidTag, ValueError) as error:
        raise Failure(
            Kind.NOT_FOUND, "EXPORT_LINK_NOT_FOUND", "This link is damaged; create another one"
        ) from error
    found = json.loads(text)
    return Linked(Export(**found["export"]), found["session"])


def _cipher(token: str) -> AESGCM:
    return AESGCM(HKDF(SHA256(), length=32, salt=None, info=PURPOSE).derive(token.encode()))
