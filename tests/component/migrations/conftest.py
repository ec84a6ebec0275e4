"""A database without any migration."""

import uuid
from collections.abc import AsyncIterator

import asyncpg
import pytest

from tests.fixtures.postgres import Server


@pytest.fixture
async def empty(postgres: Server) -> AsyncIterator[str]:
    name = f"empty_{uuid.uuid4().hex[:12]}"
    root = await asyncpg.connect(postgres.url("postgres"))
    await root.execute(f"create database {name}")
    yield postgres.url(name)
    await root.execute(f"drop database {name} with (force)")
    await root.close()
