from collections.abc import AsyncIterator

import aiohttp
import pytest

from kit.auth.sessions import Verifier
from tests.unit.kit.auth.local_issuer import SECRET, Issuer, local_issuer, make_verifier


@pytest.fixture
async def issuer() -> AsyncIterator[Issuer]:
    async with local_issuer() as running:
        yield running


@pytest.fixture
def verifier(issuer: Issuer, http: aiohttp.ClientSession) -> Verifier:
    return make_verifier(issuer, http)


@pytest.fixture
def secret_verifier(issuer: Issuer, http: aiohttp.ClientSession) -> Verifier:
    return make_verifier(issuer, http, jwt_secret=SECRET)
