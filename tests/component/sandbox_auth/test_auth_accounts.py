"""Changing and administering accounts with the real supabase Python client."""

from supabase import AsyncClient

from sandbox.auth.app import Running
from sandbox.auth.settings import AuthSettings
from tests.component.sandbox_auth.supabase_client import (
    EMAIL,
    PASSWORD,
    claims,
    open_client,
    refresh,
    refusal_code,
    sign_in,
    sign_up,
)

PLAIN = {"provider": "email", "providers": ["email"]}


async def test_users_change_their_own_data_but_not_their_role(client: AsyncClient) -> None:
    await sign_up(client)
    answer = await client.auth.update_user({"data": {"name": "Ada", "role": "admin"}})
    assert answer.user.user_metadata["name"] == "Ada"
    assert answer.user.app_metadata == PLAIN
    answer = await client.auth.update_user({"data": {"name": None}})
    assert "name" not in answer.user.user_metadata
    await refresh(client)
    assert (await claims(client))["app_metadata"] == PLAIN


async def test_a_new_password_ends_all_other_sessions(
    client: AsyncClient, elsewhere: AsyncClient
) -> None:
    await sign_up(client)
    await sign_in(elsewhere)
    assert await refusal_code(client.auth.update_user({"password": PASSWORD})) == "same_password"
    await client.auth.update_user({"password": "battery staple"})
    assert await refusal_code(refresh(elsewhere)) == "refresh_token_not_found"
    assert await client.auth.get_user() is not None
    assert await refusal_code(sign_in(client)) == "invalid_credentials"
    await sign_in(client, password="battery staple")


async def test_an_address_is_changed_only_to_a_free_one(
    client: AsyncClient, elsewhere: AsyncClient
) -> None:
    await sign_up(elsewhere, "taken@example.com")
    await sign_up(client)
    taken = client.auth.update_user({"email": "Taken@example.com"})
    assert await refusal_code(taken) == "email_exists"
    answer = await client.auth.update_user({"email": "countess@example.com"})
    assert answer.user.email == "countess@example.com"
    await sign_in(client, "countess@example.com")


async def test_anonymous_users_become_permanent_with_an_address(client: AsyncClient) -> None:
    answer = await client.auth.sign_in_anonymously()
    assert answer.user is not None
    assert answer.user.is_anonymous
    without_address = client.auth.update_user({"password": PASSWORD})
    assert await refusal_code(without_address) == "validation_failed"
    changed = await client.auth.update_user({"email": EMAIL, "password": PASSWORD})
    assert not changed.user.is_anonymous
    assert (await sign_in(client)).user.id == answer.user.id


async def test_an_administrator_grants_and_revokes_roles(
    admin: AsyncClient, client: AsyncClient
) -> None:
    made = await admin.auth.admin.create_user(
        {
            "email": EMAIL,
            "password": PASSWORD,
            "email_confirm": True,
            "app_metadata": {"role": "admin"},
        }
    )
    assert (await sign_in(client)).user.id == made.user.id
    assert (await claims(client))["app_metadata"] == {**PLAIN, "role": "admin"}
    await admin.auth.admin.update_user_by_id(made.user.id, {"app_metadata": {"role": None}})
    await refresh(client)
    assert (await claims(client))["app_metadata"] == PLAIN


async def test_an_administrator_changes_and_deletes_users(
    admin: AsyncClient, client: AsyncClient
) -> None:
    made = await admin.auth.admin.create_user(
        {"email": EMAIL, "password": PASSWORD, "email_confirm": True}
    )
    await sign_in(client)
    changed = await admin.auth.admin.update_user_by_id(made.user.id, {"user_metadata": {"a": 1}})
    assert (await admin.auth.admin.get_user_by_id(made.user.id)).user == changed.user
    twice = admin.auth.admin.create_user({"email": EMAIL.upper()})
    assert await refusal_code(twice) == "email_exists"
    await admin.auth.admin.delete_user(made.user.id)
    gone = admin.auth.admin.get_user_by_id(made.user.id)
    assert await refusal_code(gone) == "user_not_found"
    assert await refusal_code(client.auth.get_user()) == "user_not_found"


async def test_unsupported_features_are_refused_and_not_ignored(admin: AsyncClient) -> None:
    banned = admin.auth.admin.create_user({"email": EMAIL, "ban_duration": "1h"})
    assert await refusal_code(banned) == "validation_failed"
    assert await admin.auth.admin.list_users() == []


async def test_an_unconfirmed_user_cannot_sign_in(admin: AsyncClient, client: AsyncClient) -> None:
    made = await admin.auth.admin.create_user({"email": EMAIL, "password": PASSWORD})
    assert await refusal_code(sign_in(client)) == "email_not_confirmed"
    await admin.auth.admin.update_user_by_id(made.user.id, {"email_confirm": True})
    await sign_in(client)


async def test_users_are_listed_in_pages(admin: AsyncClient) -> None:
    for number in range(5):
        await admin.auth.admin.create_user({"email": f"user{number}@example.com"})
    pages = [await admin.auth.admin.list_users(page=page, per_page=2) for page in (1, 2, 3, 4)]
    assert [[user.email for user in page] for page in pages] == [
        ["user4@example.com", "user3@example.com"],
        ["user2@example.com", "user1@example.com"],
        ["user0@example.com"],
        [],
    ]


async def test_the_anon_key_cannot_administer_users(client: AsyncClient) -> None:
    assert await refusal_code(client.auth.admin.list_users()) == "bad_jwt"


async def test_a_wrong_api_key_is_refused(auth: Running, settings: AuthSettings) -> None:
    async with open_client(auth.url, settings.anon_key + "x") as stranger:
        assert await refusal_code(sign_up(stranger)) == "invalid_api_key"
