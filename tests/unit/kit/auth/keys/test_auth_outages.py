"""Signing keys while the auth server fails, hangs or is unreachable."""

import pytest

from kit.auth.sessions import Verifier
from kit.errors import Kind
from tests.unit.kit.auth.keys.cached_keys import TTL, accepted, failure_kind
from tests.unit.kit.auth.local_issuer import OTHER_EC_KEY, Issuer


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (503, None),
        (302, None),
        (404, None),
        (200, "<html>"),
        (200, "[]"),
        (200, '{"keys": 1}'),
        (200, "[" * 60_000),
        (200, " " * 70_000 + '{"keys": []}'),
    ],
)
async def test_known_keys_are_valid_while_the_auth_server_fails(
    verifier: Verifier, issuer: Issuer, status: int, body: str | None
) -> None:
    assert await accepted(verifier, issuer.token())
    issuer.status, issuer.body = status, body
    issuer.clock.now += TTL
    assert await accepted(verifier, issuer.token())
    assert issuer.fetches == 2
    issuer.status, issuer.body = 200, None
    issuer.keys["new"] = OTHER_EC_KEY
    issuer.clock.now += 1
    assert await accepted(verifier, issuer.token("new"))


async def test_known_keys_are_valid_while_the_auth_server_is_unreachable(
    verifier: Verifier, issuer: Issuer
) -> None:
    assert await accepted(verifier, issuer.token())
    tokens = [issuer.token(jti=str(number)) for number in range(5)]
    unknown = issuer.token(jti="unknown")
    issuer.keys["new"] = OTHER_EC_KEY
    of_new_key = issuer.token("new")
    await issuer.server.close()
    issuer.clock.now += TTL
    for token in tokens:
        issuer.clock.now += 1
        assert await accepted(verifier, token)
    assert await accepted(verifier, unknown)
    # It is unknown whether this key is new, which is no reason to sign the user out.
    assert await failure_kind(verifier, of_new_key) is Kind.UNAVAILABLE


async def test_a_hanging_auth_server_delays_only_the_first_caller(
    verifier: Verifier, issuer: Issuer
) -> None:
    assert await accepted(verifier, issuer.token())
    issuer.clock.now += TTL
    issuer.status = 503
    assert await accepted(verifier, issuer.token(jti="notices the outage"))
    issuer.clock.now += 1
    issuer.asked.clear()
    issuer.may_answer.clear()
    # Answered although the fetch that this starts is not.
    assert await accepted(verifier, issuer.token(jti="does not wait"))
    await issuer.asked.wait()
    issuer.status = 200
    issuer.keys["new"] = OTHER_EC_KEY
    issuer.may_answer.set()
    # That fetch began before the key was published, so another one follows at once.
    assert await accepted(verifier, issuer.token("new"))
    assert issuer.fetches == 4


async def test_sessions_are_unavailable_without_any_key_and_recover(
    verifier: Verifier, issuer: Issuer
) -> None:
    issuer.status = 503
    assert await failure_kind(verifier, issuer.token()) is Kind.UNAVAILABLE
    assert await failure_kind(verifier, issuer.token()) is Kind.UNAVAILABLE
    assert issuer.fetches == 1
    issuer.status = 200
    issuer.clock.now += 1
    assert await accepted(verifier, issuer.token())
