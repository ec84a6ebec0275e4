"""Signing keys: fetching, caching and rotation."""

import asyncio
import json
from typing import Any

import aiohttp
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from kit.auth.jwks import parse_keys
from kit.auth.sessions import Verifier
from kit.errors import Failure, Kind
from tests.unit.kit.auth.keys.cached_keys import COOLDOWN, TTL, accepted, failure_kind
from tests.unit.kit.auth.local_issuer import (
    EC_KEY,
    OTHER_EC_KEY,
    RSA_KEY,
    Issuer,
    hand_made,
    make_verifier,
    to_jwk,
)


async def test_keys_are_fetched_once_within_their_ttl(verifier: Verifier, issuer: Issuer) -> None:
    for number in range(5):
        issuer.clock.now += 50
        assert await accepted(verifier, issuer.token(jti=str(number)))
    assert issuer.fetches == 1
    issuer.clock.now += TTL
    assert await accepted(verifier, issuer.token())
    assert issuer.fetches == 2


async def test_many_callers_at_once_cause_one_fetch(verifier: Verifier, issuer: Issuer) -> None:
    issuer.may_answer.clear()
    callers = [
        asyncio.create_task(accepted(verifier, issuer.token(jti=str(number))))
        for number in range(20)
    ]
    await issuer.asked.wait()
    callers[0].cancel()  # the caller that started the fetch disconnects
    issuer.may_answer.set()
    assert await asyncio.gather(*callers[1:]) == [True] * 19
    assert callers[0].cancelled()
    assert issuer.fetches == 1


async def test_a_new_key_is_found_at_once(verifier: Verifier, issuer: Issuer) -> None:
    assert await accepted(verifier, issuer.token())
    issuer.keys["new"] = OTHER_EC_KEY
    assert await accepted(verifier, issuer.token("new"))
    assert await accepted(verifier, issuer.token("ec"))
    assert issuer.fetches == 2


async def test_several_keys_rotated_in_a_row_are_each_found_at_once(
    verifier: Verifier, issuer: Issuer
) -> None:
    for number in range(5):
        issuer.keys[f"new{number}"] = OTHER_EC_KEY
        assert await accepted(verifier, issuer.token(f"new{number}"))
    assert issuer.fetches == 5


async def test_a_new_key_is_found_at_once_after_a_fetch_for_an_unknown_id(
    verifier: Verifier, issuer: Issuer
) -> None:
    assert await accepted(verifier, issuer.token())
    made_up = hand_made({"alg": "ES256", "kid": "made-up"}, issuer.claims())
    assert not await accepted(verifier, made_up)
    issuer.keys["new"] = OTHER_EC_KEY
    assert await accepted(verifier, issuer.token("new"))


async def test_one_unknown_key_id_causes_one_fetch_in_its_cooldown(
    verifier: Verifier, issuer: Issuer
) -> None:
    assert await accepted(verifier, issuer.token())
    new = hand_made({"alg": "ES256", "kid": "late"}, issuer.claims())
    for _ in range(20):
        assert not await accepted(verifier, new)
    assert issuer.fetches == 2
    issuer.keys["late"] = OTHER_EC_KEY
    issuer.clock.now += COOLDOWN
    assert await accepted(verifier, issuer.token("late"))
    assert issuer.fetches == 3


async def test_unknown_key_ids_cause_a_bounded_number_of_fetches(
    verifier: Verifier, issuer: Issuer
) -> None:
    assert await accepted(verifier, issuer.token())
    outcomes = []
    for number in range(200):
        made_up = hand_made({"alg": "ES256", "kid": str(number)}, issuer.claims())
        outcomes.append(await failure_kind(verifier, made_up))
    # A key that was not looked up may be valid.
    assert outcomes == [Kind.UNAUTHENTICATED] * 10 + [Kind.UNAVAILABLE] * 190
    assert issuer.fetches == 1 + 10
    # Known keys and, a second later, new ones are not affected.
    assert await accepted(verifier, issuer.token(jti="other"))
    issuer.keys["new"] = OTHER_EC_KEY
    issuer.clock.now += 1
    assert await accepted(verifier, issuer.token("new"))


async def test_a_fetch_that_began_before_a_key_was_published_does_not_refuse_it(
    verifier: Verifier, issuer: Issuer
) -> None:
    assert await accepted(verifier, issuer.token())
    issuer.may_answer.clear()
    issuer.asked.clear()
    made_up = hand_made({"alg": "ES256", "kid": "made-up"}, issuer.claims())
    first = asyncio.create_task(accepted(verifier, made_up))
    await issuer.asked.wait()
    issuer.keys["new"] = OTHER_EC_KEY
    second = asyncio.create_task(accepted(verifier, issuer.token("new")))
    await asyncio.sleep(0)
    issuer.may_answer.set()
    assert not await first
    assert await second


async def test_tokens_of_a_dropped_key_are_refused_within_the_ttl(
    verifier: Verifier, issuer: Issuer
) -> None:
    token = issuer.token()
    assert await accepted(verifier, token)
    del issuer.keys["ec"]
    issuer.clock.now += TTL
    assert not await accepted(verifier, token)
    issuer.keys["ec"] = EC_KEY
    issuer.clock.now += TTL
    assert await accepted(verifier, token)


async def test_tokens_of_a_replaced_key_with_the_same_id_are_refused(
    verifier: Verifier, issuer: Issuer
) -> None:
    token = issuer.token()
    assert await accepted(verifier, token)
    issuer.keys["ec"] = OTHER_EC_KEY
    issuer.clock.now += TTL
    assert not await accepted(verifier, token)


async def test_a_cached_token_still_expires(verifier: Verifier, issuer: Issuer) -> None:
    token = issuer.token()
    assert await accepted(verifier, token)
    issuer.clock.now += 3610
    with pytest.raises(Failure) as caught:
        await verifier.session(f"Bearer {token}")
    assert caught.value.reason == "TOKEN_EXPIRED"


async def test_tokens_in_use_are_cached(issuer: Issuer, http: aiohttp.ClientSession) -> None:
    verifier = make_verifier(issuer, http, cache_size=2)
    often, once, new = (f"Bearer {issuer.token(jti=name)}" for name in ("often", "once", "new"))
    first = await verifier.session(often)
    before = await verifier.session(once)
    assert await verifier.session(often) is first
    await verifier.session(new)
    assert await verifier.session(often) is first
    # Evicted for the new one: verified again, with an equal result.
    after = await verifier.session(once)
    assert after == before
    assert after is not before


async def test_a_clock_set_back_does_not_freeze_the_keys(
    verifier: Verifier, issuer: Issuer
) -> None:
    assert await accepted(verifier, issuer.token())
    issuer.clock.now -= 86_400
    issuer.keys = {"new": OTHER_EC_KEY}
    assert await accepted(verifier, issuer.token("new"))


async def test_an_empty_key_set_is_accepted(verifier: Verifier, issuer: Issuer) -> None:
    token = issuer.token()
    issuer.keys = {}
    assert not await accepted(verifier, token)


@pytest.mark.parametrize(
    "body",
    ['{"keys": [null]}', '{"keys": [{}, 5]}', '{"keys": [{"kty": "RSA", "kid": "rsa", "n": "!"}]}'],
)
async def test_a_key_set_without_a_readable_key_revokes_none(
    verifier: Verifier, issuer: Issuer, body: str
) -> None:
    token = issuer.token()
    assert await accepted(verifier, token)
    issuer.clock.now += 301  # the keys have expired
    issuer.body = body
    assert await accepted(verifier, issuer.token())


def test_keys_of_other_kinds_alone_are_no_malformed_key_set() -> None:
    other_curve = ec.generate_private_key(ec.SECP384R1())
    entries: list[Any] = [
        {"kty": "oct", "kid": "secret", "k": "c2VjcmV0", "alg": "HS256"},
        to_jwk("another curve", other_curve) | {"alg": "ES384"},
    ]
    assert parse_keys(json.dumps({"keys": entries}).encode()) == {}


def test_unusable_keys_are_skipped() -> None:
    usable = to_jwk("good", EC_KEY)
    small = rsa.generate_private_key(public_exponent=65537, key_size=1024)  # noqa: S505 - too small on purpose
    other_curve = ec.generate_private_key(ec.SECP384R1())
    entries: list[Any] = [
        None,
        {},
        {"kty": "oct", "kid": "secret", "k": "c2VjcmV0", "alg": "HS256"},
        usable | {"kid": None},
        usable | {"kid": "for encryption", "use": "enc"},
        usable | {"kid": "for signing", "key_ops": ["sign"]},
        usable | {"kid": "for another algorithm", "alg": "HS256"},
        usable | {"kid": "not on the curve", "x": usable["y"]},
        usable | {"kid": "no number", "x": "!"},
        usable | {"kid": "no text", "x": 5},
        to_jwk("another curve", other_curve) | {"alg": "ES384"},
        {name: value for name, value in to_jwk("unnamed", other_curve).items() if name != "alg"},
        to_jwk("small", small),
        to_jwk("rsa", RSA_KEY),
        usable,
        to_jwk("good", OTHER_EC_KEY),
    ]
    keys = parse_keys(json.dumps({"keys": entries}).encode())
    assert {key_id: key.algorithm for key_id, key in keys.items()} == {
        "rsa": "RS256",
        "good": "ES256",
    }
    assert keys["good"] == parse_keys(json.dumps({"keys": [usable]}).encode())["good"]
