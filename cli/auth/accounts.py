"""Accounts of Supabase Auth, found by e-mail address with the service role key."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp

from cli.errors import CommandError
from kit.net import bounded_body

# Seconds for one page of accounts.
TIMEOUT = aiohttp.ClientTimeout(total=30)
# Accounts in a page; servers may return fewer.
PER_PAGE = 1_000
# Bytes of a page, which includes the metadata that users set themselves.
MAX_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Account:
    """An account of the auth server; `created_at` is as the server returns it (RFC 3339)."""

    id: str
    email: str
    created_at: str


async def find(http: aiohttp.ClientSession, url: str, key: str, email: str) -> list[Account]:
    """Return the accounts with exactly this address, ignoring case; usually one or none.

    Several accounts can share an address if a project also signs in by SSO. Raises CommandError.
    """
    address = email.strip().casefold()
    seen: set[str] = set()
    found: list[Account] = []
    page = 1
    while True:
        # A server that does not know `filter` returns all accounts, and one without pages the same again.
        query = {"page": str(page), "per_page": str(PER_PAGE), "filter": address}
        users = [user for user in await _page(http, url, key, query) if user["id"] not in seen]
        if not users:
            return found
        seen |= {user["id"] for user in users}
        found += [
            Account(str(user["id"]), str(user["email"]), str(user.get("created_at", "")))
            for user in users
            if str(user.get("email") or "").casefold() == address
        ]
        page += 1


async def _page(
    http: aiohttp.ClientSession, url: str, key: str, query: Mapping[str, str]
) -> list[dict[str, Any]]:
    headers = {"apikey": key, "Authorization": f"Bearer {key}"} | bounded_body.ACCEPT_ENCODING
    address = f"{url.rstrip('/')}/auth/v1/admin/users"
    try:
        async with http.get(
            address,
            params=query,
            headers=headers,
            timeout=TIMEOUT,
            allow_redirects=False,  # never send the service role key elsewhere
            auto_decompress=False,
        ) as answer:
            content = json.loads(await bounded_body.read(answer, MAX_BYTES))
    except (aiohttp.ClientError, TimeoutError) as error:
        raise CommandError(
            f"no auth server answers at {url} ({type(error).__name__}): start it with `make up`,"
            " or correct SUPABASE_URL"
        ) from error
    except ValueError:
        content = None
    if answer.status in (401, 403):
        raise CommandError(
            f"the auth server at {url} refused the service role key: set SUPABASE_SERVICE_ROLE_KEY"
            " to the key of that project"
        )
    users = content.get("users") if isinstance(content, dict) else None
    if answer.status != 200 or not isinstance(users, list):
        raise CommandError(
            f"the auth server at {url} returned no accounts (HTTP {answer.status}): check that"
            " SUPABASE_URL is the address of a Supabase project"
        )
    return [user for user in users if isinstance(user, dict) and "id" in user]
