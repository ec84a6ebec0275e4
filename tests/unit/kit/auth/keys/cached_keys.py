"""A verifier that caches signing keys for a known time, and what becomes of its tokens."""

import pytest

from kit.auth.sessions import Verifier
from kit.errors import Failure, Kind
from tests.unit.kit.auth.local_issuer import USER_ID

TTL = 300.0
COOLDOWN = 10.0


async def accepted(verifier: Verifier, token: str) -> bool:
    try:
        session = await verifier.session(f"Bearer {token}")
    except Failure as failure:
        if (failure.kind, failure.reason) == (Kind.UNAUTHENTICATED, "TOKEN_INVALID"):
            return False
        raise
    return session.user_id == USER_ID


async def failure_kind(verifier: Verifier, token: str) -> Kind:
    with pytest.raises(Failure) as caught:
        await verifier.session(f"Bearer {token}")
    return caught.value.kind
