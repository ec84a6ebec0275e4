import aiohttp
import pytest

from kit.auth.sessions import Verifier
from tests.unit.kit.auth.keys.cached_keys import COOLDOWN, TTL
from tests.unit.kit.auth.local_issuer import Issuer, make_verifier


@pytest.fixture
def verifier(issuer: Issuer, http: aiohttp.ClientSession) -> Verifier:
    return make_verifier(issuer, http, jwks_ttl=TTL, cooldown=COOLDOWN)
