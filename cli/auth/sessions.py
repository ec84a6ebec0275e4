"""Access tokens, from the local auth emulator or by signing in to a Supabase project."""

import json
from collections.abc import Mapping

import aiohttp

from cli.errors import CommandError
from kit.net import bounded_body

# Seconds. Signing in hashes a password, which is slow on purpose.
TIMEOUT = aiohttp.ClientTimeout(total=10)
# Bytes of a response.
MAX_BYTES = 1024 * 1024


async def mint(
    http: aiohttp.ClientSession, url: str, email: str, *, role: str | None = None
) -> str:
    """Return an access token of the emulator at `url`; create the account if it does not exist.

    Without a `role` (support, finance, admin) the account keeps the one it has. Raises CommandError.
    """
    body = {"email": email} | ({"role": role} if role else {})
    answer = await _post(http, f"{url}/_control/auth/session", body, {})
    return str(answer["access_token"])


async def sign_in(
    http: aiohttp.ClientSession, url: str, anon_key: str, email: str, password: str
) -> str:
    """Return an access token of the Supabase project at `url`; raise CommandError if it refuses."""
    body = {"email": email, "password": password}
    address = f"{url}/auth/v1/token?grant_type=password"
    answer = await _post(http, address, body, {"apikey": anon_key})
    return str(answer["access_token"])


async def _post(
    http: aiohttp.ClientSession, url: str, body: Mapping[str, object], headers: Mapping[str, str]
) -> dict[str, object]:
    try:
        async with http.post(
            url,
            json=body,
            headers={**headers, **bounded_body.ACCEPT_ENCODING},
            timeout=TIMEOUT,
            allow_redirects=False,  # never send a password elsewhere
            auto_decompress=False,
        ) as answer:
            content = json.loads(await bounded_body.read(answer, MAX_BYTES))
            if answer.status == 200 and isinstance(content, dict) and "access_token" in content:
                return content
    except (aiohttp.ClientError, TimeoutError) as error:
        raise CommandError(
            f"no auth server answers at {url} ({type(error).__name__}): start it with `make up`,"
            " or correct SUPABASE_URL"
        ) from error
    except ValueError:
        content = None
    reason = content.get("msg") if isinstance(content, dict) else None
    raise CommandError(
        f"the auth server refused (HTTP {answer.status}): {reason or 'no reason given'}"
    )
