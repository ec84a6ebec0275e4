"""`esimgo api-keys` against a running orders service."""

import json
import subprocess

import pytest

from protos.orders.v1 import api_keys_pb2 as pb
from protos.orders.v1 import organizations_pb2
from tests.fixtures.gateway import Gateway
from tests.fixtures.gateway_customer import MOMENT
from tests.fixtures.local.command import esimgo
from tests.fixtures.sandboxes import Auth

KEY = pb.APIKey(
    id="00000000-0000-8000-8000-000000000001",
    name="web shop",
    hint="esk_test_4kQ0",
    scopes=["esims:read", "orders:write"],
    created_at=MOMENT,
)


@pytest.fixture
def at(gateway: Gateway, auth: Auth) -> dict[str, str]:
    return {
        "ORDERS_ADDRESS": gateway.settings.orders_address,
        "SUPABASE_SERVICE_ROLE_KEY": auth.service_role_key,
    }


async def printed(at: dict[str, str], *arguments: str) -> str:
    done: subprocess.CompletedProcess[str] = await esimgo("api-keys", *arguments, **at)
    assert done.returncode == 0, done.stderr
    return done.stdout


async def test_keys_are_listed_page_by_page(gateway: Gateway, at: dict[str, str]) -> None:
    revoked = pb.APIKey(
        id="00000000-0000-8000-8000-000000000002",
        name="old",
        hint="esk_test_0000",
        scopes=["plans:read"],
        addresses=["192.0.2.0/24", "2001:db8::1"],
        created_at=MOMENT,
        last_used_at=MOMENT,
        revoked_at=MOMENT,
    )
    pages = {
        "": pb.ListAPIKeysResponse(api_keys=[KEY], next_page_token="2"),
        "2": pb.ListAPIKeysResponse(api_keys=[revoked]),
    }
    gateway.api_keys.answers["ListAPIKeys"] = lambda request: pages[request.page_token]
    titles, first, second = (await printed(at, "list", "acme")).splitlines()
    assert titles.split()[:4] == ["id", "name", "key", "scopes"]
    assert "web shop" in first
    assert first.split()[-2:] == ["never", "valid"]
    assert "192.0.2.0/24,2001:db8::1" in second
    assert "revoked 2026" in second
    found = json.loads(await printed(at, "list", "acme", "--json"))
    assert [one["hint"] for one in found] == ["esk_test_4kQ0", "esk_test_0000"]
    gateway.api_keys.answers["ListAPIKeys"] = pb.ListAPIKeysResponse()
    assert await printed(at, "list", "acme") == "no API key\n"


async def test_a_key_is_revoked(gateway: Gateway, at: dict[str, str]) -> None:
    answer = pb.RevokeAPIKeyResponse(
        api_key=KEY, propagation=organizations_pb2.PROPAGATION_PROPAGATING
    )
    gateway.api_keys.answers["RevokeAPIKey"] = answer
    text = await printed(at, "revoke", KEY.id)
    assert text.startswith("web shop (esk_test_4kQ0...) is revoked\n")
    assert "did not confirm" in text
    assert gateway.api_keys.requests[-1].api_key_id == KEY.id


async def test_the_signing_key_is_replaced(gateway: Gateway, at: dict[str, str]) -> None:
    gateway.api_keys.answers["ReplaceSigningKey"] = pb.ReplaceSigningKeyResponse(key_id="k1")
    assert (await printed(at, "replace-signing-key")).startswith("k1 signs from now on")
