"""Which claims of a valid token result in which session, and which are refused."""

import hashlib
import hmac
from typing import Any

import pytest

from kit.auth.sessions import Role, Verifier
from tests.unit.kit.auth.local_issuer import (
    SECRET,
    START,
    USER_ID,
    Issuer,
    assert_refused,
    hand_made,
)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"iss": "https://elsewhere.example/auth/v1"}, "TOKEN_INVALID"),
        ({"iss": None}, "TOKEN_INVALID"),
        ({"aud": "anon"}, "TOKEN_INVALID"),
        ({"aud": ["other", "authenticated "]}, "TOKEN_INVALID"),
        ({"aud": []}, "TOKEN_INVALID"),
        ({"aud": {"authenticated": True}}, "TOKEN_INVALID"),
        ({"aud": None}, "TOKEN_INVALID"),
        ({"role": "anon"}, "TOKEN_INVALID"),
        ({"role": "service_role"}, "TOKEN_INVALID"),
        ({"role": None}, "TOKEN_INVALID"),
        ({"sub": None}, "TOKEN_INVALID"),
        ({"sub": "ada"}, "TOKEN_INVALID"),
        ({"sub": "{6f1c1a52-3c0e-4b5e-9a53-0f7e6f0f5a11}"}, "TOKEN_INVALID"),
        # The owner of what erased customers bought.
        ({"sub": "00000000-0000-0000-0000-000000000000"}, "TOKEN_INVALID"),
        ({"exp": None}, "TOKEN_INVALID"),
        ({"exp": True}, "TOKEN_INVALID"),
        ({"exp": 1e300}, "TOKEN_INVALID"),
        ({"exp": float("nan")}, "TOKEN_INVALID"),
        ({"exp": float("inf")}, "TOKEN_INVALID"),
        ({"exp": int(START) - 3600}, "TOKEN_EXPIRED"),
        ({"exp": int(START) - 10}, "TOKEN_EXPIRED"),
        ({"iat": None}, "TOKEN_INVALID"),
        ({"iat": int(START) + 60}, "TOKEN_NOT_YET_VALID"),
        ({"nbf": int(START) + 60}, "TOKEN_NOT_YET_VALID"),
        ({"nbf": "now"}, "TOKEN_INVALID"),
    ],
    ids=str,
)
async def test_invalid_claims_are_refused(
    verifier: Verifier, secret_verifier: Verifier, issuer: Issuer, changed: Any, reason: str
) -> None:
    await assert_refused(verifier, issuer.token(**changed), reason)
    await assert_refused(secret_verifier, issuer.secret_token(**changed), reason)


@pytest.mark.parametrize(
    "changed",
    [{"exp": int(START) - 9}, {"iat": int(START) + 10}, {"nbf": int(START) + 10}],
    ids=str,
)
async def test_clocks_may_differ_a_little(
    verifier: Verifier, issuer: Issuer, changed: dict[str, Any]
) -> None:
    assert (await verifier.session(f"Bearer {issuer.token(**changed)}")).user_id == USER_ID


@pytest.mark.parametrize(
    "audience", [["authenticated"], ["authenticated", "other"], [7, "other", "authenticated"]]
)
async def test_a_token_may_be_for_several_audiences(
    verifier: Verifier, issuer: Issuer, audience: list[Any]
) -> None:
    session = await verifier.session(f"Bearer {issuer.token(aud=audience)}")
    assert session.user_id == USER_ID


async def test_an_expired_token_is_reported_as_expired(verifier: Verifier, issuer: Issuer) -> None:
    failure = await assert_refused(verifier, issuer.token(exp=int(START) - 3600), "TOKEN_EXPIRED")
    assert failure.message == "Not authenticated: the token has expired; sign in again"


@pytest.mark.parametrize("claims", [[1, 2], "text", 3, None])
async def test_signed_claims_that_are_not_an_object_are_refused(
    secret_verifier: Verifier, claims: Any
) -> None:
    token = hand_made(
        {"alg": "HS256"}, claims, lambda data: hmac.digest(SECRET.encode(), data, hashlib.sha256)
    )
    await assert_refused(secret_verifier, token, "TOKEN_MALFORMED")


@pytest.mark.parametrize("role", [Role.SUPPORT, Role.FINANCE, Role.ADMIN])
async def test_the_role_in_app_metadata_is_the_role_of_the_session(
    verifier: Verifier, issuer: Issuer, role: Role
) -> None:
    session = await verifier.session(f"Bearer {issuer.token(app_metadata={'role': role.value})}")
    assert session.role is role
    assert session.user_id == USER_ID


@pytest.mark.parametrize(
    "changed",
    [
        {"user_metadata": {"role": "admin", "roles": ["admin"]}},
        {"user_metadata": {"role": "finance"}, "app_metadata": {"role": "customer"}},
        {"app_metadata": {"role": "service"}},
        {"app_metadata": {"role": ["finance"]}},
        {"app_metadata": {"role": {"finance": True}}},
        {"user_metadata": {"app_metadata": {"role": "admin"}}},
        {"roles": ["admin"], "is_admin": True},
        {"app_metadata": {"roles": ["admin"]}},
        {"app_metadata": ["admin"]},
        {"app_metadata": "admin"},
        {"app_metadata": {"role": "Admin"}},
        {"app_metadata": None},
    ],
    ids=str,
)
async def test_nothing_else_makes_staff(
    verifier: Verifier, issuer: Issuer, changed: dict[str, Any]
) -> None:
    session = await verifier.session(f"Bearer {issuer.token(**changed)}")
    assert session.role is Role.CUSTOMER


async def test_anonymous_sign_ins_are_customers(verifier: Verifier, issuer: Issuer) -> None:
    token = issuer.token(is_anonymous=True, email="")
    assert (await verifier.session(f"Bearer {token}")).role is Role.CUSTOMER
