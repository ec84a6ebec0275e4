"""The emulator's HTTP itself: error shapes, bad input, browsers, and the admin API."""

from typing import Any

import aiohttp
import pytest

from sandbox.auth.settings import AuthSettings

EMAIL = "ada@example.com"


async def mint(http: aiohttp.ClientSession, **fields: Any) -> dict[str, Any]:
    async with http.post("/_control/auth/session", json={"email": EMAIL, **fields}) as response:
        assert response.status == 200
        session: dict[str, Any] = await response.json()
        return session


async def key_ids(http: aiohttp.ClientSession) -> list[str]:
    async with http.get("/auth/v1/.well-known/jwks.json") as response:
        keys = (await response.json())["keys"]
        assert all((key["alg"], key["kty"], "d" in key) == ("ES256", "EC", False) for key in keys)
        return [key["kid"] for key in keys]


async def status_with(http: aiohttp.ClientSession, token: str) -> int:
    headers = {"Authorization": f"Bearer {token}"}
    async with http.get("/auth/v1/user", headers=headers) as response:
        return response.status


async def test_errors_have_the_format_of_the_requested_version(http: aiohttp.ClientSession) -> None:
    path, body = "/auth/v1/token?grant_type=password", {"email": EMAIL, "password": "x"}
    async with http.post(path, json=body) as response:
        assert response.status == 400
        assert await response.json() == {
            "code": 400,
            "error_code": "invalid_credentials",
            "msg": "Invalid login credentials",
        }
    headers = {"X-Supabase-Api-Version": "2024-01-01"}
    async with http.post(path, json=body, headers=headers) as response:
        assert response.status == 400
        assert response.headers["X-Supabase-Api-Version"] == "2024-01-01"
        assert await response.json() == {
            "code": "invalid_credentials",
            "message": "Invalid login credentials",
        }


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("POST", "/auth/v1/signup", "", 400, "bad_json"),
        ("POST", "/auth/v1/signup", "{", 400, "bad_json"),
        ("POST", "/auth/v1/signup", "[]", 400, "bad_json"),
        ("POST", "/auth/v1/signup", "[" * 100_000, 400, "bad_json"),
        ("POST", "/auth/v1/signup", b"\xff", 400, "bad_json"),
        ("POST", "/auth/v1/signup", '{"email": 5}', 400, "bad_json"),
        ("POST", "/auth/v1/signup", '{"data": []}', 400, "bad_json"),
        ("POST", "/auth/v1/signup", '{"phone": "+49"}', 400, "validation_failed"),
        ("POST", "/auth/v1/signup", '{"email": "a@b.cd"}', 400, "validation_failed"),
        ("POST", "/auth/v1/signup", " " * 2_000_000, 413, "request_entity_too_large"),
        ("POST", "/auth/v1/token", "{}", 400, "invalid_credentials"),
        ("POST", "/auth/v1/token?grant_type=pkce", "{}", 400, "invalid_credentials"),
        ("POST", "/auth/v1/token?grant_type=password", "{}", 400, "validation_failed"),
        ("POST", "/auth/v1/token?grant_type=refresh_token", "{}", 400, "validation_failed"),
        ("GET", "/auth/v1/user", "", 401, "no_authorization"),
        ("GET", "/auth/v1/admin/users", "", 401, "no_authorization"),
        ("GET", "/auth/v1/nowhere", "", 404, "not_found"),
        ("DELETE", "/auth/v1/signup", "", 405, "not_found"),
        ("POST", "/_control/auth/session", "{}", 400, "validation_failed"),
        ("POST", "/_control/auth/session", '{"email": "ada"}', 400, "validation_failed"),
        ("POST", "/_control/auth/session", '{"email": "a@b.cd", "admin": "yes"}', 400, "bad_json"),
        (
            "POST",
            "/_control/auth/session",
            '{"email": "a@b.cd", "expires_in": 1e99}',
            400,
            "bad_json",
        ),
    ],
)
async def test_bad_requests_are_refused_with_a_code(
    http: aiohttp.ClientSession, method: str, path: str, body: str | bytes, status: int, code: str
) -> None:
    async with http.request(method, path, data=body) as response:
        assert response.status == status
        answer = await response.json()
        assert (answer["code"], answer["error_code"]) == (status, code)


@pytest.mark.parametrize("token", ["x", "a.b.c", "eyJhbGciOiJub25lIn0.e30."])
async def test_bad_tokens_are_refused(http: aiohttp.ClientSession, token: str) -> None:
    assert await status_with(http, token) == 403


async def test_users_may_not_write_app_metadata(http: aiohttp.ClientSession) -> None:
    session = await mint(http)
    headers = {"Authorization": f"Bearer {session['access_token']}"}
    body = {"app_metadata": {"role": "admin"}}
    async with http.put("/auth/v1/user", json=body, headers=headers) as response:
        assert response.status == 403
        assert (await response.json())["error_code"] == "not_admin"
    async with http.get("/auth/v1/admin/users", headers=headers) as response:
        assert response.status == 403
        assert (await response.json())["error_code"] == "not_admin"


@pytest.mark.parametrize("page", ["0", "-1", "x", "²", "9" * 30])
async def test_pages_out_of_range_are_refused(
    http: aiohttp.ClientSession, settings: AuthSettings, page: str
) -> None:
    headers = {"Authorization": f"Bearer {settings.service_role_key}"}
    async with http.get("/auth/v1/admin/users", params={"page": page}, headers=headers) as response:
        assert response.status == 400


async def test_health_and_keys_need_no_api_key(http: aiohttp.ClientSession) -> None:
    for path, status in [("health", 200), (".well-known/jwks.json", 200), ("settings", 401)]:
        async with http.get(f"/auth/v1/{path}", headers={"apikey": ""}) as response:
            assert response.status == status
    async with http.get("/auth/v1/settings") as response:
        external = (await response.json())["external"]
        assert [name for name, offered in external.items() if offered] == [
            "anonymous_users",
            "email",
        ]


async def test_web_pages_may_call_the_api_but_not_the_admin_api(
    http: aiohttp.ClientSession,
) -> None:
    origin = {"Origin": "http://localhost:5173"}
    asked = {"Access-Control-Request-Headers": "apikey,authorization"}
    async with http.options("/auth/v1/token", headers=origin | asked) as response:
        assert response.status == 204
        assert response.headers["Access-Control-Allow-Origin"] == "*"
        assert response.headers["Access-Control-Allow-Headers"] == "apikey,authorization"
    async with http.get("/auth/v1/user", headers=origin) as response:
        assert response.status == 401
        assert response.headers["Access-Control-Allow-Origin"] == "*"
    for method in ("OPTIONS", "POST"):
        async with http.request(method, "/_control/auth/rotate-key", headers=origin) as response:
            assert response.status == 403
            assert "Access-Control-Allow-Origin" not in response.headers
    assert len(await key_ids(http)) == 1


async def test_scripts_get_sessions_of_customers_and_admins(http: aiohttp.ClientSession) -> None:
    customer = await mint(http)
    admin = await mint(http, admin=True)
    unchanged = await mint(http)
    demoted = await mint(http, admin=False)
    finance = await mint(http, role="finance")
    again = await mint(http, role="customer")
    sessions = [customer, admin, unchanged, demoted, finance, again]
    assert len({session["user"]["id"] for session in sessions}) == 1
    roles = [session["user"]["app_metadata"].get("role") for session in sessions]
    assert roles == [None, "admin", "admin", None, "finance", None]
    assert [await status_with(http, session["access_token"]) for session in sessions] == [200] * 6


async def test_scripts_choose_how_long_a_token_lives(http: aiohttp.ClientSession) -> None:
    assert (await mint(http))["expires_in"] == 3600
    assert (await mint(http, expires_in=60))["expires_in"] == 60
    expired = await mint(http, expires_in=-1)
    assert await status_with(http, expired["access_token"]) == 403


async def test_old_keys_remain_valid_until_they_are_dropped(http: aiohttp.ClientSession) -> None:
    before = await mint(http)
    async with http.post("/_control/auth/rotate-key") as response:
        new = (await response.json())["kid"]
    after = await mint(http)
    old = (await key_ids(http))[1]
    assert await key_ids(http) == [new, old]
    assert await status_with(http, before["access_token"]) == 200
    async with http.post("/_control/auth/drop-old-keys") as response:
        assert await response.json() == {"dropped": [old]}
    assert await key_ids(http) == [new]
    assert await status_with(http, before["access_token"]) == 403
    assert await status_with(http, after["access_token"]) == 200
