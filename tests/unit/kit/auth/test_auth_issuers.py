"""Tokens of two issuers: which of them result in which session, and what neither may claim."""

import json
from collections.abc import Callable
from typing import Any

import aiohttp
import jwt
import pytest

from kit.auth import api_keys, tokens
from kit.auth.sessions import Role, Verifier
from kit.auth.signing import SigningKey
from kit.errors import Failure, Kind
from tests.unit.kit.auth.key_issuer import KEY_ID, KeyIssuer
from tests.unit.kit.auth.local_issuer import (
    EC_KEY,
    OTHER_EC_KEY,
    SECRET,
    USER_ID,
    Issuer,
    assert_refused,
    hand_made,
    make_verifier,
)


@pytest.fixture
def key_issuer(issuer: Issuer) -> KeyIssuer:
    return KeyIssuer(issuer)


@pytest.fixture
def both(issuer: Issuer, key_issuer: KeyIssuer, http: aiohttp.ClientSession) -> Verifier:
    """A verifier that trusts both issuers, and HS256 for Supabase's."""
    return make_verifier(issuer, http, jwt_secret=SECRET, api_keys=key_issuer.fetch)


async def test_a_token_of_an_api_key_results_in_a_session_with_scopes(
    both: Verifier, key_issuer: KeyIssuer, issuer: Issuer
) -> None:
    session = await both.session(f"Bearer {key_issuer.token('orders:read', 'plans:read')}")
    assert (session.role, session.user_id) == (Role.CUSTOMER, KEY_ID)
    assert session.scopes == frozenset({"orders:read", "plans:read"})
    assert not session.is_anonymous
    assert "app_metadata" not in session.claims
    # The keys of Supabase were not needed, and its own sessions have no scopes.
    assert issuer.fetches == 0
    assert (await both.session(f"Bearer {issuer.token()}")).scopes is None
    assert (await both.session(f"Bearer {issuer.token(scope='plans:read')}")).scopes is None


async def test_without_the_second_issuer_its_tokens_are_refused(
    verifier: Verifier, key_issuer: KeyIssuer, issuer: Issuer
) -> None:
    await assert_refused(verifier, key_issuer.token("plans:read"), "TOKEN_INVALID")
    assert key_issuer.fetches == 0


@pytest.mark.parametrize(
    "changed",
    [
        {"sub": str(USER_ID)},  # a person
        {"sub": "2f3e1d0c-9b8a-4766-a554-433221100fed"},
        {"sub": "00000000-0000-0000-0000-000000000000"},
        {"sub": "key"},
        {"sub": None},
        {"app_metadata": {"role": "admin"}},
        {"app_metadata": {}},
        {"app_metadata": {"provider": "email"}},
        {"is_anonymous": False},
        {"role": "service_role"},
        {"role": "anon"},
        {"role": None},
        {"aud": "authenticated"},
        {"aud": None},
        {"scope": None},
        {"scope": ["orders:write"]},
        {"exp": 2_000_000_000},  # valid for years
        {"exp": None},
        {"iat": None},
    ],
    ids=str,
)
async def test_the_issuer_of_api_keys_can_claim_no_person_and_no_role(
    both: Verifier, key_issuer: KeyIssuer, changed: dict[str, Any]
) -> None:
    assert (await both.session(f"Bearer {key_issuer.signed()}")).user_id == KEY_ID
    await assert_refused(both, key_issuer.signed(**changed), "TOKEN_INVALID")


async def test_an_expired_token_of_an_api_key_is_refused(
    both: Verifier, key_issuer: KeyIssuer
) -> None:
    token = key_issuer.token("plans:read")
    await both.session(f"Bearer {token}")
    key_issuer.clock.now += 300 + tokens.LEEWAY_SECONDS
    await assert_refused(both, token, "TOKEN_EXPIRED")


async def test_each_issuer_is_verified_with_its_own_keys_only(
    both: Verifier, key_issuer: KeyIssuer, issuer: Issuer
) -> None:
    # Supabase's key signs for the issuer of API keys, under either key id.
    for kid in ("ec", key_issuer.key.id):
        forged = key_issuer.signed(EC_KEY, kid, sub=str(USER_ID))
        await assert_refused(both, forged, "TOKEN_INVALID")
        await assert_refused(both, key_issuer.signed(EC_KEY, kid), "TOKEN_INVALID")
    # The key of API keys signs for Supabase, under either key id.
    for kid in ("ec", key_issuer.key.id):
        claims = issuer.claims(app_metadata={"role": "admin"})
        forged = jwt.encode(claims, key_issuer.key.private, "ES256", headers={"kid": kid})
        await assert_refused(both, forged, "TOKEN_INVALID")
    # An issuer that isn't configured is verified as Supabase, and refused by its name.
    await assert_refused(both, issuer.token(iss="https://other.example"), "TOKEN_INVALID")
    await assert_refused(both, key_issuer.signed(iss="https://other.example"), "TOKEN_INVALID")


async def test_equal_key_ids_of_both_issuers_are_two_keys(
    both: Verifier, key_issuer: KeyIssuer, issuer: Issuer
) -> None:
    key_issuer.key = SigningKey("ec", OTHER_EC_KEY)
    key_issuer.published = [key_issuer.key]
    assert (await both.session(f"Bearer {issuer.token('ec')}")).user_id == USER_ID
    assert (await both.session(f"Bearer {key_issuer.token('plans:read')}")).user_id == KEY_ID


async def test_the_shared_secret_signs_for_supabase_only(both: Verifier, issuer: Issuer) -> None:
    claims = issuer.claims(iss=api_keys.ISSUER, aud=api_keys.AUDIENCE, sub=str(KEY_ID))
    claims = {k: v for k, v in claims.items() if k not in ("app_metadata", "is_anonymous")}
    token = jwt.encode(claims | {"scope": "orders:write"}, SECRET, "HS256")
    await assert_refused(both, token, "TOKEN_INVALID")
    assert (await both.session(f"Bearer {issuer.secret_token()}")).user_id == USER_ID


async def test_rs256_is_not_accepted_of_api_keys(both: Verifier, key_issuer: KeyIssuer) -> None:
    for algorithm in ("RS256", "none", "ES384"):
        header = {"alg": algorithm, "kid": key_issuer.key.id}
        token = hand_made(header, {"iss": api_keys.ISSUER}, lambda _: b"x" * 64)
        await assert_refused(both, token, "TOKEN_INVALID")


async def test_supabase_can_not_name_an_api_key(both: Verifier, issuer: Issuer) -> None:
    await assert_refused(both, issuer.token(sub=str(KEY_ID)), "TOKEN_INVALID")


@pytest.mark.parametrize(
    "failure", [TimeoutError(), Failure(Kind.UNAVAILABLE, "SERVICE_UNAVAILABLE", "away")]
)
async def test_people_are_verified_while_the_issuer_of_api_keys_is_down(
    both: Verifier, key_issuer: KeyIssuer, issuer: Issuer, failure: Exception
) -> None:
    key_issuer.failure = failure
    assert (await both.session(f"Bearer {issuer.token()}")).user_id == USER_ID
    with pytest.raises(Failure) as raised:
        await both.session(f"Bearer {key_issuer.token('plans:read')}")
    assert (raised.value.kind, raised.value.reason) == (Kind.UNAVAILABLE, "AUTH_UNAVAILABLE")
    assert (await both.session(f"Bearer {issuer.token()}")).user_id == USER_ID


async def test_api_keys_are_verified_while_supabase_is_down(
    both: Verifier, key_issuer: KeyIssuer, issuer: Issuer
) -> None:
    issuer.status = 500
    assert (await both.session(f"Bearer {key_issuer.token('plans:read')}")).user_id == KEY_ID
    assert issuer.fetches == 0


async def test_a_replaced_signing_key_counts_at_once_and_a_withdrawn_one_within_a_minute(
    both: Verifier, key_issuer: KeyIssuer
) -> None:
    old = key_issuer.token("plans:read")
    await both.session(f"Bearer {old}")
    key_issuer.key = SigningKey.create()
    key_issuer.published = [key_issuer.key]
    assert (await both.session(f"Bearer {key_issuer.token('plans:read')}")).user_id == KEY_ID
    key_issuer.clock.now += 60
    await assert_refused(both, old, "TOKEN_INVALID")


@pytest.mark.parametrize(
    "make",
    [
        lambda: "a",
        lambda: "a.b.c",
        lambda: f"a.{'e' * 15_000}.c",
        lambda: hand_made({"alg": "ES256", "kid": "ec"}, ["iss"]),
        lambda: hand_made({"alg": "ES256", "kid": "ec"}, {"iss": {"a": 1}}),
        lambda: hand_made({"alg": "ES256", "kid": "ec"}, json.loads("[" * 500 + "]" * 500)),
    ],
)
async def test_odd_tokens_choose_no_issuer(both: Verifier, make: Callable[[], str]) -> None:
    assert tokens.unverified_issuer(make()) is None
    with pytest.raises(Failure) as raised:
        await both.session(f"Bearer {make()}")
    assert raised.value.kind is Kind.UNAUTHENTICATED


def test_two_issuers_of_one_name_are_refused(
    issuer: Issuer, key_issuer: KeyIssuer, http: aiohttp.ClientSession
) -> None:
    with pytest.raises(ValueError, match="same name"):
        Verifier(
            supabase_url=issuer.url,
            service_role_key="key",
            issuer=api_keys.ISSUER,
            api_keys=key_issuer.fetch,
            http=http,
        )
