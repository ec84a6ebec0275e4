from collections.abc import AsyncIterator, Iterator

import aiohttp
import pytest
import stamina

from kit.auth.sessions import Verifier
from tests.unit.kit.local_issuer import SECRET, Issuer, local_issuer, make_verifier
from tests.unit.kit.stepped_clock import SteppedClock
from tests.unit.providers.paced_shop import Shop
from tests.unit.providers.played_provider import PlayedProvider


@pytest.fixture
def clock() -> SteppedClock:
    return SteppedClock()


@pytest.fixture
async def shop(clock: SteppedClock) -> AsyncIterator[Shop]:
    shop = Shop(clock)
    yield shop
    await shop.close()


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


@pytest.fixture
async def played() -> AsyncIterator[PlayedProvider]:
    async with PlayedProvider().running() as provider:
        yield provider


@pytest.fixture
def no_back_off() -> Iterator[None]:
    """Retry as often as in production, but without delays."""
    with stamina.set_testing(True, attempts=100, cap=True):
        yield
