"""A running auth emulator with a clock moved by the test, and clients for it."""

import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest
from supabase import AsyncClient

from sandbox.auth.app import Running, start
from sandbox.auth.settings import AuthSettings
from tests.component.sandbox_auth.supabase_client import open_client


@dataclass
class Clock:
    """The machine's time plus an offset in seconds."""

    ahead: float = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def settings(tmp_path: Path) -> AuthSettings:
    return AuthSettings(
        anon_key="anon-key-of-this-test",
        service_role_key="service-role-key-of-this-test",
        state=tmp_path / "auth.sqlite",
    )


@pytest.fixture
async def auth(settings: AuthSettings, clock: Clock) -> AsyncIterator[Running]:
    running = await start(settings, clock=clock)
    yield running
    await running.stop()


@pytest.fixture
async def client(auth: Running, settings: AuthSettings) -> AsyncIterator[AsyncClient]:
    async with open_client(auth.url, settings.anon_key) as opened:
        yield opened


@pytest.fixture
async def elsewhere(auth: Running, settings: AuthSettings) -> AsyncIterator[AsyncClient]:
    """The same customer on another device."""
    async with open_client(auth.url, settings.anon_key) as opened:
        yield opened


@pytest.fixture
async def admin(auth: Running, settings: AuthSettings) -> AsyncIterator[AsyncClient]:
    async with open_client(auth.url, settings.service_role_key) as opened:
        yield opened


@pytest.fixture
async def http(auth: Running, settings: AuthSettings) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(auth.url, headers={"apikey": settings.anon_key}) as session:
        yield session
