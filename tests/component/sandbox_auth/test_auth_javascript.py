"""The real JavaScript client, @supabase/supabase-js, against the auth emulator."""

import asyncio
import fcntl
import json
import shutil
import subprocess
from pathlib import Path

import aiohttp
import pytest

from kit.auth import Verifier
from sandbox.auth.app import Running
from sandbox.auth.settings import AuthSettings

JS = Path(__file__).parents[2] / "js"
# As the oldest release line that the pinned client runs on.
_OLDEST_NODE = 20


def run(*command: str) -> str:
    """What the command prints; fails with all its words when it fails."""
    done = subprocess.run(command, cwd=JS, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command[0]} failed:\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="session")
def node() -> str:
    """Node with the locked packages beside the script."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        pytest.skip("node and npm are not installed; they run the JavaScript client")
    version = run(node, "--version").strip()
    if int(version.removeprefix("v").split(".")[0]) < _OLDEST_NODE:
        pytest.skip(
            f"node {version} is too old for the JavaScript client ({_OLDEST_NODE} or newer)"
        )
    installed = JS / "node_modules" / ".package-lock.json"
    # Test workers are processes: one installs, the others wait and find it done.
    with (JS / "package-lock.json").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        wanted = (JS / "package-lock.json").stat().st_mtime
        if not installed.exists() or installed.stat().st_mtime < wanted:
            run(npm, "ci", "--no-audit", "--no-fund")
    return node


async def test_the_javascript_client_signs_up_in_and_out(
    node: str, auth: Running, settings: AuthSettings
) -> None:
    output = await asyncio.to_thread(
        run, node, "sign_in.mjs", auth.url, settings.anon_key, settings.service_role_key
    )
    seen = json.loads(output)
    token, claims = seen.pop("accessToken"), seen.pop("claims")
    assert seen == {
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
