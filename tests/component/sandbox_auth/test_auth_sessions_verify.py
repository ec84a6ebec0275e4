"""Tokens of the auth emulator, verified as every process verifies them."""

from collections.abc import AsyncIterator

import aiohttp
import pytest
from supabase import AsyncClient

from kit.auth.sessions import Role, Session, Verifier
from kit.errors import Failure
from sandbox.auth.app import Running
from sandbox.auth.settings import AuthSettings
from tests.component.sandbox_auth.conftest import Clock
from tests.component.sandbox_auth.supabase_client import sign_in, sign_up

JWKS_TTL = 300.0


@pytest.fixture
async def verifier(auth: Running, settings: AuthSettings, clock: Clock) -> AsyncIterator[Verifier]:
    async with aiohttp.ClientSession() as http:
        yield Verifier(
            supabase_url=f"{auth.url}/",
            service_role_key=settings.service_role_key,
            http=http,
            clock=clock,
            jwks_ttl=JWKS_TTL,
        )


async def verify(verifier: Verifier, token: str) -> Session:
    return await verifier.session(f"Bearer {token}")


async def control(http: aiohttp.ClientSession, path: str) -> None:
    async with http.post(f"/_control/auth/{path}") as response:
        assert response.status == 200


async def test_user_metadata_does_not_change_the_role_of_a_customer(
    verifier: Verifier, client: AsyncClient
) -> None:
    session = await sign_up(client)
    await client.auth.update_user({"data": {"role": "admin", "roles": ["admin"]}})
    claimed = await verify(verifier, (await sign_in(client)).access_token)
    assert claimed.claims["user_metadata"]["role"] == "admin"
    assert claimed.role is Role.CUSTOMER
    assert str(claimed.user_id) == session.user.id


async def test_the_service_role_creates_an_admin(
    verifier: Verifier, client: AsyncClient, admin: AsyncClient
) -> None:
    session = await sign_up(client)
    grant = {"app_metadata": {"role": "admin"}}
    await admin.auth.admin.update_user_by_id(session.user.id, grant)  # type: ignore[arg-type] # a TypedDict by another name
    assert (await verify(verifier, session.access_token)).role is Role.CUSTOMER
    assert (await verify(verifier, (await sign_in(client)).access_token)).role is Role.ADMIN


async def test_an_anonymous_sign_in_is_a_customer(verifier: Verifier, client: AsyncClient) -> None:
    answer = await client.auth.sign_in_anonymously()
    assert answer.session is not None
    session = await verify(verifier, answer.session.access_token)
    assert session.role is Role.CUSTOMER
    assert session.claims["is_anonymous"] is True


async def test_keys_may_be_rotated_while_customers_are_signed_in(
    verifier: Verifier, client: AsyncClient, http: aiohttp.ClientSession, clock: Clock
) -> None:
    before = (await sign_up(client)).access_token
    await verify(verifier, before)
    clock.ahead += 60
    await control(http, "rotate-key")
    after = (await sign_in(client)).access_token
    assert (await verify(verifier, after)).user_id == (await verify(verifier, before)).user_id
    await control(http, "drop-old-keys")
    clock.ahead += JWKS_TTL
    await verify(verifier, after)
    with pytest.raises(Failure) as caught:
        await verify(verifier, before)
    assert caught.value.reason == "TOKEN_INVALID"
