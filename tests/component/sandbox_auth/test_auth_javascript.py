"""The real JavaScript client, @supabase/supabase-js, against the auth emulator."""

import json

import aiohttp

from kit.auth.sessions import Verifier
from sandbox.auth.app import Running
from sandbox.auth.settings import AuthSettings
from tests.fixtures.browser.javascript import Script


async def test_the_javascript_client_signs_up_in_and_out(
    script: Script, auth: Running, settings: AuthSettings
) -> None:
    output = json.loads(
        await script("sign_in.mjs", auth.url, settings.anon_key, settings.service_role_key)
    )
    token, claims = output.pop("accessToken"), output.pop("claims")
    assert output == {
        "signedUp": "Ada",
        "twice": "user_already_exists",
        "weak": ["AuthWeakPasswordError", ["length"]],
        "wrong": [400, "invalid_credentials"],
        "algorithm": "ES256",
        "rotated": True,
        "sameUser": True,
        "updated": "Countess",
        "made": "admin",
        "listed": [2, 2, 2, ["root@example.com"]],
        "notAllowed": "bad_jwt",
        "gone": "AuthSessionMissingError",
        "anonymous": True,
    }
    assert claims["email"] == "ada@example.com"
    async with aiohttp.ClientSession() as http:
        verifier = Verifier(
            supabase_url=auth.url, service_role_key=settings.service_role_key, http=http
        )
        session = await verifier.session(f"Bearer {token}")
        assert str(session.user_id) == claims["sub"]
