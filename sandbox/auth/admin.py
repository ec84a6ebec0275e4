"""User administration under /auth/v1/admin, for holders of the service role key."""

from aiohttp import web

from sandbox.auth.accounts import Accounts, to_json
from sandbox.auth.errors import Refusal, bad_request
from sandbox.auth.requests import Fields, bearer_token, equal, read_fields
from sandbox.auth.settings import AuthSettings
from sandbox.auth.sign_ins import SignIns

# As in Supabase Auth; the maximum limits a response to some hundred kilobytes.
_DEFAULT_PAGE_SIZE = 50
_MAX_PAGE_SIZE = 1000
# More pages than SQLite's 64-bit row numbers would overflow.
_MAX_PAGE = 10**9


class AdminRoutes:
    """Handlers that create, list, read, change and delete users."""

    def __init__(self, accounts: Accounts, sign_ins: SignIns, settings: AuthSettings) -> None:
        self._accounts = accounts
        self._sign_ins = sign_ins
        self._service_role_key = settings.service_role_key

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/auth/v1/admin/users", self._create),
            web.get("/auth/v1/admin/users", self._list),
            web.get("/auth/v1/admin/users/{id}", self._get),
            web.put("/auth/v1/admin/users/{id}", self._change),
            web.delete("/auth/v1/admin/users/{id}", self._delete),
        ]

    async def _create(self, request: web.Request) -> web.Response:
        self._require_service_role(request)
        fields = await _read_user_fields(request)
        email = fields.text("email")
        if not email:
            raise bad_request("Cannot create a user without either an email or phone")
        user = await self._accounts.create(
            email,
            password=fields.text("password"),
            confirmed=fields.flag("email_confirm") or False,
            user_id=fields.text("id"),
            app_metadata=fields.mapping("app_metadata"),
            user_metadata=fields.mapping("user_metadata"),
        )
        return web.json_response(to_json(user))

    async def _list(self, request: web.Request) -> web.Response:
        self._require_service_role(request)
        page = _count(request, "page", 1, _MAX_PAGE)
        per_page = _count(request, "per_page", _DEFAULT_PAGE_SIZE, _MAX_PAGE_SIZE)
        users, total = self._accounts.page(page=page, per_page=per_page)
        last = max(1, -(-total // per_page))
        links = [(last, "last")] if page >= last else [(page + 1, "next"), (last, "last")]
        headers = {
            "X-Total-Count": str(total),
            "Link": ", ".join(
                f'<{request.path}?page={number}&per_page={per_page}>; rel="{name}"'
                for number, name in links
            ),
        }
        answer = {"users": [to_json(user) for user in users], "aud": "authenticated"}
        return web.json_response(answer, headers=headers)

    async def _get(self, request: web.Request) -> web.Response:
        self._require_service_role(request)
        return web.json_response(to_json(self._accounts.get(request.match_info["id"])))

    async def _change(self, request: web.Request) -> web.Response:
        self._require_service_role(request)
        fields = await _read_user_fields(request)
        user = await self._accounts.change(
            request.match_info["id"],
            email=fields.text("email"),
            password=fields.text("password"),
            confirmed=fields.flag("email_confirm") or False,
            app_metadata=fields.mapping("app_metadata"),
            user_metadata=fields.mapping("user_metadata"),
        )
        return web.json_response(to_json(user))

    async def _delete(self, request: web.Request) -> web.Response:
        self._require_service_role(request)
        fields = await read_fields(request, may_be_empty=True)
        if fields.flag("should_soft_delete"):
            raise bad_request(
                "The local auth emulator always deletes permanently; soft deletion is not supported"
            )
        self._accounts.delete(request.match_info["id"])
        return web.json_response({})

    def _require_service_role(self, request: web.Request) -> None:
        token = bearer_token(request)
        if equal(token, self._service_role_key):
            return
        self._sign_ins.find(token)  # refuses an invalid token first
        raise Refusal(403, "not_admin", "User not allowed")


async def _read_user_fields(request: web.Request) -> Fields:
    fields = await read_fields(request)
    fields.refuse("phone", "phone_confirm", "ban_duration", "password_hash", "role", "nonce")
    return fields


def _count(request: web.Request, name: str, default: int, largest: int) -> int:
    text = request.query.get(name) or str(default)
    if not (text.isascii() and text.isdecimal()) or not 1 <= int(text) <= largest:
        raise bad_request(f"Bad Pagination Parameters: {name} must be from 1 to {largest}")
    return int(text)
