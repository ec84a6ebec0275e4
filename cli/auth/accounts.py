"""Accounts of Supabase Auth, found by e-mail address with the service role key."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp

from kit.net import bounded_body

# Seconds for a page of accounts.
TIMEOUT = aiohttp.ClientTimeout(total=30)
# Accounts in a page; servers may give fewer.
PER_PAGE = 1_000
# Bytes of a page: what users write about themselves is part of it.
MOST = 64 * 1024 * 1024


class AccountsError(Exception):
    """The auth server gave no accounts; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Account:
    """An account of the auth server; `created_at` is in its own words, RFC 3339."""

    id: str
    email: str
    created_at: str


async def find(http: aiohttp.ClientSession, url: str, key: str, email: str) -> list[Account]:
    """The accounts with exactly this address, without regard to case; mostly one, or none.

    Several share an address where a project also signs in by SSO. Raises AccountsError.
    """
    wanted = email.strip().casefold()
    seen: set[str] = set()
    found: list[Account] = []
    page = 1
    while True:
        # The server narrows by `filter` where it knows it; pages end the search, whatever it does.
        query = {"page": str(page), "per_page": str(PER_PAGE), "filter": wanted}
        users = [user for user in await _page(http, url, key, query) if user["id"] not in seen]
        if not users:
            return found
        seen |= {user["id"] for user in users}
        found += [
            Account(str(user["id"]), str(user["email"]), str(user.get("created_at", "")))
            for user in users
            if str(user.get("email") or "").casefold() == wanted
        ]
        page += 1


async def _page(
    http: aiohttp.ClientSession, url: str, key: str, query: Mapping[str, str]
) -> list[dict[str, Any]]:
    headers = {"apikey": key, "Authorization": f"Bearer {key}"} | bounded_body.ACCEPT_ENCODING
    address = f"{url.rstrip('/')}/auth/v1/admin/users"
    try:
        async with http.get(
            address, params=query, headers=headers, timeout=TIMEOUT, auto_decompress=False
        ) as answer:
            content = json.loads(await bounded_body.read(answer, MOST))
    except (aiohttp.ClientError, TimeoutError) as error:
        raise AccountsError(
            f"no auth server answers at {url} ({type(error).__name__}): start it with `make up`,"
            " or correct SUPABASE_URL"
        ) from error
    except ValueError:
        content = None
    if answer.status in (401, 403):
        raise AccountsError(
            f"the auth server at {url} refused the service role key: set SUPABASE_SERVICE_ROLE_KEY"
            " to the key of that project"
        )
    users = content.get("users") if isinstance(content, dict) else None
    if answer.status != 200 or not isinstance(users, list):
        raise AccountsError(
            f"the auth server at {url} returned no accounts (HTTP {answer.status}): check that"
            " SUPABASE_URL is the address of a Supabase project"
        )
    return [user for user in users if isinstance(user, dict) and "id" in user]
