"""Signing up, in and out, and refreshing, with the real supabase Python client."""

import pytest
from supabase import AsyncClient
from supabase_auth.errors import AuthWeakPasswordError
from supabase_auth.types import SignOutScope

from sandbox.auth.app import start
from sandbox.auth.settings import AuthSettings
from tests.component.sandbox_auth.conftest import Clock
from tests.component.sandbox_auth.supabase_client import (
    EMAIL,
    claims,
    open_client,
    refresh,
    refusal_code,
    sign_in,
    sign_up,
)


async def test_signing_up_returns_a_session_and_a_user(client: AsyncClient) -> None:
    answer = await client.auth.sign_up(
        {"email": EMAIL, "password": "correct horse", "options": {"data": {"name": "Ada"}}}
    )
    assert answer.session is not None
    assert answer.user is not None
    assert answer.user.email == EMAIL
    assert answer.user.user_metadata["name"] == "Ada"
    assert answer.user.role == "authenticated"
    assert answer.user.identities
    assert answer.user.identities[0].provider == "email"
    found = await client.auth.get_user()
    assert found is not None
    assert found.user.id == answer.user.id


async def test_signing_in_needs_the_right_password(client: AsyncClient) -> None:
    await sign_up(client)
    assert await refusal_code(sign_in(client, password="wrong")) == "invalid_credentials"
    assert await refusal_code(sign_in(client, "eve@example.com")) == "invalid_credentials"
    session = await sign_in(client, EMAIL.upper())
    assert session.user.last_sign_in_at is not None


async def test_an_address_can_sign_up_only_once(client: AsyncClient) -> None:
    await sign_up(client)
    assert await refusal_code(sign_up(client, EMAIL.upper())) == "user_already_exists"


@pytest.mark.parametrize(
    "address", ["ada", "ada@", "ada@localhost", "a da@example.com", "@example.com"]
)
async def test_bad_addresses_are_refused(client: AsyncClient, address: str) -> None:
    assert await refusal_code(sign_up(client, address)) == "validation_failed"


async def test_weak_and_oversized_passwords_are_refused(client: AsyncClient) -> None:
    with pytest.raises(AuthWeakPasswordError) as caught:
        await sign_up(client, password="short")
    assert caught.value.reasons == ["length"]
    assert await refusal_code(sign_up(client, password="x" * 73)) == "validation_failed"


async def test_the_client_verifies_claims_with_the_key_set(client: AsyncClient) -> None:
    session = await sign_up(client)
    found = await claims(client)
    assert found["sub"] == session.user.id
    assert found["aud"] == "authenticated"
    assert found["role"] == "authenticated"
    assert found["email"] == EMAIL
    assert found["aal"] == "aal1"
    assert found["is_anonymous"] is False
    assert found["amr"][0]["method"] == "password"
    assert found["exp"] - found["iat"] == 3600
    assert found["exp"] == session.expires_at


async def test_refreshing_rotates_both_tokens(client: AsyncClient) -> None:
    first = await sign_up(client)
    second = await refresh(client)
    assert second.refresh_token != first.refresh_token
    assert second.access_token != first.access_token
    assert await client.auth.get_user(second.access_token) is not None


async def test_a_refresh_with_a_lost_response_can_be_repeated(
    client: AsyncClient, clock: Clock
) -> None:
    first = await sign_up(client)
    second = await refresh(client, first.refresh_token)
    clock.ahead += 3600
    again = await refresh(client, first.refresh_token)
    assert again.refresh_token == second.refresh_token


async def test_concurrent_refreshes_of_several_tabs_keep_all_signed_in(
    client: AsyncClient, clock: Clock
) -> None:
    first = await sign_up(client)
    second = await refresh(client, first.refresh_token)
    await refresh(client, second.refresh_token)
    clock.ahead += 5
    await refresh(client, first.refresh_token)


async def test_a_stolen_refresh_token_ends_the_whole_session(
    client: AsyncClient, clock: Clock
) -> None:
    first = await sign_up(client)
    second = await refresh(client, first.refresh_token)
    third = await refresh(client, second.refresh_token)
    clock.ahead += 60
    reuse = refresh(client, first.refresh_token)
    assert await refusal_code(reuse) == "refresh_token_already_used"
    clock.ahead += 60
    latest = refresh(client, third.refresh_token)
    assert await refusal_code(latest) == "refresh_token_already_used"


async def test_unknown_refresh_tokens_are_refused(client: AsyncClient) -> None:
    assert await refusal_code(refresh(client, "made-up")) == "refresh_token_not_found"


async def test_an_expired_access_token_is_refused(client: AsyncClient, clock: Clock) -> None:
    session = await sign_up(client)
    clock.ahead += 3600
    assert await refusal_code(client.auth.get_user(session.access_token)) == "bad_jwt"


@pytest.mark.parametrize(
    ("scope", "here_stays", "elsewhere_stays"),
    [("global", False, False), ("local", False, True), ("others", True, False)],
)
async def test_signing_out_ends_the_sessions_of_its_scope(
    client: AsyncClient,
    elsewhere: AsyncClient,
    scope: SignOutScope,
    here_stays: bool,
    elsewhere_stays: bool,
) -> None:
    mine, theirs = await sign_up(client), await sign_in(elsewhere)
    await client.auth.sign_out({"scope": scope})
    for session, stays in [(mine, here_stays), (theirs, elsewhere_stays)]:
        if stays:
            assert await elsewhere.auth.get_user(session.access_token) is not None
            continue
        call = elsewhere.auth.get_user(session.access_token)
        assert await refusal_code(call) == "session_not_found"
        later = refresh(elsewhere, session.refresh_token)
        assert await refusal_code(later) == "refresh_token_not_found"


async def test_everything_survives_a_restart(settings: AuthSettings) -> None:
    running = await start(settings)
    port = int(running.url.rpartition(":")[2])
    async with open_client(running.url, settings.anon_key) as client:
        session = await sign_up(client)
        await running.stop()
        running = await start(settings, port=port)
        try:
            assert await client.auth.get_user(session.access_token) is not None
            await refresh(client, session.refresh_token)
            await sign_in(client)
        finally:
            await running.stop()
