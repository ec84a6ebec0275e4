"""Helpers around the real supabase Python client."""

from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from supabase import AsyncClient, AsyncClientOptions, acreate_client
from supabase_auth.errors import AuthApiError
from supabase_auth.types import Session

EMAIL = "ada@example.com"
PASSWORD = "correct horse"


@asynccontextmanager
async def open_client(url: str, key: str) -> AsyncIterator[AsyncClient]:
    """A separate client that refreshes only on request."""
    client = await acreate_client(url, key, AsyncClientOptions(auto_refresh_token=False))
    try:
        yield client
    finally:
        await client.auth.close()


async def sign_up(client: AsyncClient, email: str = EMAIL, password: str = PASSWORD) -> Session:
    answer = await client.auth.sign_up({"email": email, "password": password})
    assert answer.session is not None
    return answer.session


async def sign_in(client: AsyncClient, email: str = EMAIL, password: str = PASSWORD) -> Session:
    answer = await client.auth.sign_in_with_password({"email": email, "password": password})
    assert answer.session is not None
    return answer.session


async def refresh(client: AsyncClient, refresh_token: str | None = None) -> Session:
    answer = await client.auth.refresh_session(refresh_token)
    assert answer.session is not None
    return answer.session


async def claims(client: AsyncClient) -> dict[str, Any]:
    """Return the claims of the client's token, as the client verifies them."""
    answer = await client.auth.get_claims()
    assert answer is not None
    assert answer["headers"]["alg"] == "ES256"
    return dict(answer["claims"])


async def refusal_code(call: Awaitable[object]) -> str | None:
    """Return the code with which the call is refused; fails if it isn't."""
    with pytest.raises(AuthApiError) as caught:
        await call
    return caught.value.code
