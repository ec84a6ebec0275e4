"""API keys: their form, and the keys that sign their tokens."""

import time
from uuid import uuid4

import jwt
import pytest

from kit.auth import api_keys
from kit.auth.signing import Sealing, SigningKey
from kit.errors import Failure, Kind
from tests.unit.kit.auth.key_issuer import KEY_ID, ORGANIZATION


def test_keys_have_the_documented_form_and_a_checksum() -> None:
    for live, prefix in ((True, "esk_live_"), (False, "esk_test_")):
        key = api_keys.create(live=live)
        assert key.startswith(prefix)
        assert len(key) == len(prefix) + 37 + 6
        assert api_keys.in_header(f"Bearer {key}") == key
        assert api_keys.hint(key) == key[:13]
    assert len({api_keys.create(live=True) for _ in range(100)}) == 100


def test_each_mistyped_character_is_noticed_without_a_look_up() -> None:
    key = api_keys.create(live=True)
    for place in range(len("esk_live_"), len(key)):
        other = "A" if key[place] != "A" else "B"
        with pytest.raises(Failure) as raised:
            api_keys.in_header(f"Bearer {key[:place]}{other}{key[place + 1 :]}")
        assert (raised.value.kind, raised.value.reason) == (
            Kind.UNAUTHENTICATED,
            "API_KEY_INVALID",
        )
        assert key[9:20] not in str(raised.value)


@pytest.mark.parametrize("mistake", ["esk_live_", "esk_prod_", "esk_", "esk_test_" + "é" * 43])
def test_what_only_begins_like_a_key_is_refused(mistake: str) -> None:
    with pytest.raises(Failure) as raised:
        api_keys.in_header(f"Bearer {mistake}")
    assert raised.value.kind is Kind.UNAUTHENTICATED


@pytest.mark.parametrize("header", [None, "", "Bearer a.b.c", "Bearer eyJesk_live_"])
def test_other_headers_contain_no_key(header: str | None) -> None:
    assert api_keys.in_header(header) is None


def test_ids_of_keys_are_of_no_person() -> None:
    ids = {api_keys.create_id() for _ in range(100)}
    assert len(ids) == 100
    for one in ids:
        assert api_keys.is_id(one)
        assert one.variant == "specified in RFC 4122"
    assert not api_keys.is_id(uuid4())


def test_private_keys_are_sealed_under_the_secret_and_their_id() -> None:
    key, sealing = SigningKey.create(), Sealing("a-service-role-key")
    sealed = sealing.seal(key)
    opened = sealing.open(key.id, sealed)
    assert opened is not None
    assert opened.public() == key.public()
    assert sealing.open("another-id", sealed) is None
    assert Sealing("another-service-role-key").open(key.id, sealed) is None
    assert sealing.open(key.id, sealed[:-1]) is None
    assert sealing.open(key.id, b"") is None
    assert sealing.seal(key) != sealed


def test_neither_a_signing_key_nor_a_session_shows_its_secrets() -> None:
    key = SigningKey.create()
    assert "EllipticCurve" not in repr(key)
    assert set(key.public()) == {"kty", "crv", "alg", "use", "kid", "x", "y"}
    now = int(time.time())
    token = key.token(KEY_ID, ORGANIZATION, ["plans:read"], now=now, expires=now + 1)
    assert jwt.decode(token, options={"verify_signature": False})["organization_id"] == str(
        ORGANIZATION
    )
