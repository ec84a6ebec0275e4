"""Which Authorization header results in which session, and which are refused."""

import hashlib
import hmac
import logging
import time
from datetime import UTC, datetime
from typing import Any

import aiohttp
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from kit.auth.sessions import ANONYMOUS, Role, Verifier
from kit.errors import Kind
from kit.process.settings import SessionSettings
from kit.values.env import Env
from tests.unit.kit.auth.local_issuer import (
    EC_KEY,
    OTHER_EC_KEY,
    RSA_KEY,
    SECRET,
    SERVICE_ROLE_KEY,
    START,
    USER_ID,
    Issuer,
    assert_refused,
    hand_made,
    make_verifier,
    refusal,
    to_jwk,
)


@pytest.mark.parametrize("header", [None, ""])
async def test_no_header_is_anonymous(
    verifier: Verifier, issuer: Issuer, header: str | None
) -> None:
    assert await verifier.session(header) is ANONYMOUS
    assert issuer.fetches == 0


@pytest.mark.parametrize("key_id", ["ec", "rsa"])
async def test_es256_and_rs256_tokens_result_in_a_customer_session(
    verifier: Verifier, issuer: Issuer, key_id: str
) -> None:
    token = issuer.token(key_id)
    session = await verifier.session(f"Bearer {token}")
    assert session.role is Role.CUSTOMER
    assert session.user_id == USER_ID
    assert session.claims["email"] == "ada@example.com"
    assert session.token == token
    assert session.expires_at == datetime.fromtimestamp(START + 3600, UTC)


async def test_the_scheme_is_case_insensitive(verifier: Verifier, issuer: Issuer) -> None:
    assert (await verifier.session(f"bearer  {issuer.token()} ")).user_id == USER_ID


async def test_hs256_is_accepted_only_with_the_secret(
    verifier: Verifier, secret_verifier: Verifier, issuer: Issuer
) -> None:
    token = issuer.secret_token()
    assert (await secret_verifier.session(f"Bearer {token}")).user_id == USER_ID
    await assert_refused(verifier, token, "TOKEN_INVALID")
    await assert_refused(secret_verifier, issuer.secret_token("x" * 40), "TOKEN_INVALID")


async def test_asymmetric_tokens_are_accepted_beside_the_secret(
    secret_verifier: Verifier, issuer: Issuer
) -> None:
    assert (await secret_verifier.session(f"Bearer {issuer.token()}")).role is Role.CUSTOMER


async def test_a_public_key_used_as_the_secret_is_refused(
    verifier: Verifier, secret_verifier: Verifier, issuer: Issuer
) -> None:
    for key_id, key in issuer.keys.items():
        pem = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        token = hand_made(
            {"alg": "HS256", "kid": key_id},
            issuer.claims(),
            lambda data, pem=pem: hmac.digest(pem, data, hashlib.sha256),  # type: ignore[misc] # mypy has no type for a lambda's default
        )
        await assert_refused(verifier, token, "TOKEN_INVALID")
        await assert_refused(secret_verifier, token, "TOKEN_INVALID")


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "", "PS256", "ES384", 7, None])
@pytest.mark.parametrize("key_id", ["ec", "rsa"])
async def test_other_algorithms_are_refused(
    secret_verifier: Verifier, issuer: Issuer, algorithm: Any, key_id: str
) -> None:
    token = hand_made({"alg": algorithm, "kid": key_id}, issuer.claims())
    await assert_refused(secret_verifier, token, "TOKEN_INVALID")


async def test_a_key_is_valid_for_its_own_algorithm_only(
    verifier: Verifier, issuer: Issuer
) -> None:
    token = hand_made({"alg": "RS256", "kid": "ec"}, issuer.claims(), lambda _: b"x" * 64)
    await assert_refused(verifier, token, "TOKEN_INVALID")


async def test_an_unsigned_token_is_refused(verifier: Verifier, issuer: Issuer) -> None:
    header, payload, _ = issuer.token().split(".")
    await assert_refused(verifier, f"{header}.{payload}.", "TOKEN_INVALID")


async def test_changed_claims_are_refused(verifier: Verifier, issuer: Issuer) -> None:
    header, _, signature = issuer.token().split(".")
    _, payload, _ = issuer.token(sub="00000000-0000-4000-8000-000000000000").split(".")
    await assert_refused(verifier, f"{header}.{payload}.{signature}", "TOKEN_INVALID")


async def test_a_foreign_signature_under_a_known_key_id_is_refused(
    verifier: Verifier, issuer: Issuer
) -> None:
    issuer.keys["ec"] = OTHER_EC_KEY
    forged = issuer.token("ec")
    issuer.keys["ec"] = EC_KEY
    await assert_refused(verifier, forged, "TOKEN_INVALID")


async def test_a_key_in_the_token_header_is_not_used(verifier: Verifier, issuer: Issuer) -> None:
    issuer.keys["own"] = OTHER_EC_KEY
    header = {"alg": "ES256", "jwk": to_jwk("own", OTHER_EC_KEY), "jku": issuer.url}
    token = hand_made(header, issuer.claims(), lambda _: b"x" * 64)
    await assert_refused(verifier, token, "TOKEN_INVALID")
    assert issuer.fetches == 0


@pytest.mark.parametrize(
    "header",
    [
        "Bearer",
        "Bearer ",
        " ",
        "Basic YWRhOnNlY3JldA==",
        "Bearer a b",
        "Bearer schlüssel",
        "Bearer not-a-token",
        "Bearer a.b.c",
        "Bearer ..",
        f"Bearer {'a' * 9000}",
        f"Bearer {hand_made({'alg': 'HS256'}, [1, 2])[:-1]}!",
    ],
)
async def test_malformed_headers_are_refused(secret_verifier: Verifier, header: str) -> None:
    failure = await refusal(secret_verifier, header)
    assert failure.kind is Kind.UNAUTHENTICATED
    assert failure.reason == "TOKEN_MALFORMED"


async def test_an_oversized_token_is_refused_without_parsing(
    verifier: Verifier, issuer: Issuer
) -> None:
    await assert_refused(verifier, issuer.token(padding="x" * 16_384), "TOKEN_MALFORMED")
    assert issuer.fetches == 0


async def test_the_service_role_key_results_in_a_service_session(
    verifier: Verifier, issuer: Issuer
) -> None:
    session = await verifier.session(f"Bearer {SERVICE_ROLE_KEY}")
    assert session.role is Role.SERVICE
    assert session.user_id is None
    assert session.expires_at is None
    assert issuer.fetches == 0


async def test_a_service_role_token_is_accepted_only_as_the_configured_key(
    issuer: Issuer, http: aiohttp.ClientSession
) -> None:
    key = issuer.secret_token(role="service_role", iss="supabase", aud=None, sub=None)
    other = issuer.secret_token(role="service_role", iss="supabase", aud=None, sub=None, iat=1)
    verifier = make_verifier(issuer, http, service_role_key=key, jwt_secret=SECRET)
    assert (await verifier.session(f"Bearer {key}")).role is Role.SERVICE
    await assert_refused(verifier, other, "TOKEN_INVALID")
    in_order = issuer.secret_token(role="service_role")
    await assert_refused(verifier, in_order, "TOKEN_INVALID")


async def test_no_text_contains_the_token(
    verifier: Verifier, issuer: Issuer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    good = issuer.token()
    session = await verifier.session(f"Bearer {good}")
    texts = [repr(session), str(session)]
    for token in [issuer.token(exp=1), issuer.token(aud="x"), good + "x", "x" * 9000]:
        failure = await refusal(verifier, f"Bearer {token}")
        texts += [str(failure), repr(failure)]
    issuer.clock.now += 3600  # the keys have expired
    issuer.status = 503
    await verifier.session(f"Bearer {issuer.token()}")
    texts.append(caplog.text)
    assert "signing keys can't be fetched" in caplog.text
    secrets = [part for part in good.split(".") if len(part) > 40]
    assert not [text for text in texts for part in [*secrets, "ada@"] if part in text]


@pytest.mark.parametrize(
    ("status", "body", "cause"),
    [
        (404, None, "the server answered HTTP 404"),
        (302, None, "the server answered HTTP 302"),
        (200, "<html>", "Expecting value"),
        (200, "[]", "the answer is not a key set"),
        (200, '{"keys": [null]}', "none of its keys can be read"),
        (200, '{"keys": [{}, {"kty": "EC", "crv": "P-256"}]}', "none of its keys can be read"),
        (200, " " * 70_000, "more than 65536 bytes"),
    ],
)
async def test_the_log_says_why_keys_can_not_be_fetched(
    verifier: Verifier,
    issuer: Issuer,
    caplog: pytest.LogCaptureFixture,
    status: int,
    body: str | None,
    cause: str,
) -> None:
    issuer.status, issuer.body = status, body
    failure = await refusal(verifier, f"Bearer {issuer.token()}")
    assert failure.reason == "AUTH_UNAVAILABLE"
    assert f"signing keys can't be fetched: {cause}" in caplog.text


def test_insecure_settings_are_refused(issuer: Issuer, http: aiohttp.ClientSession) -> None:
    with pytest.raises(ValueError, match="SUPABASE_SERVICE_ROLE_KEY"):
        make_verifier(issuer, http, service_role_key="")
    with pytest.raises(ValueError, match="SUPABASE_JWT_SECRET"):
        make_verifier(issuer, http, jwt_secret="too short")


def test_the_rsa_key_of_these_tests_is_long_enough() -> None:
    assert RSA_KEY.key_size >= 2048


@pytest.mark.parametrize("issued_by", ["https://auth.example.com/auth/v1", "custom-issuer"])
async def test_the_issuer_and_the_audience_may_differ_from_the_url(
    issuer: Issuer, http: aiohttp.ClientSession, issued_by: str
) -> None:
    settings = SessionSettings(
        issuer.url, SERVICE_ROLE_KEY, None, issuer=issued_by, audience="shop"
    )
    verifier = settings.verifier(http)
    now = int(time.time())
    times: dict[str, Any] = {"iat": now, "exp": now + 3600}
    right = issuer.token(iss=issued_by, aud="shop", **times)
    assert (await verifier.session(f"Bearer {right}")).user_id == USER_ID
    await assert_refused(verifier, issuer.token(aud="shop", **times), "TOKEN_INVALID")
    await assert_refused(verifier, issuer.token(iss=issued_by, **times), "TOKEN_INVALID")


def test_the_issuer_and_the_audience_are_settings() -> None:
    given = {"SUPABASE_URL": "http://kong:8000/", "SUPABASE_SERVICE_ROLE_KEY": "key"}
    usual = SessionSettings.read(Env(given))
    assert (usual.supabase_url, usual.issuer, usual.audience) == (
        "http://kong:8000",
        None,
        "authenticated",
    )
    public = {"SUPABASE_JWT_ISSUER": "https://a.example/auth/v1", "SUPABASE_JWT_AUDIENCE": "shop"}
    other = SessionSettings.read(Env(given | public))
    assert (other.issuer, other.audience) == ("https://a.example/auth/v1", "shop")
