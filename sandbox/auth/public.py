"""Handlers for browser clients under /auth/v1."""

from aiohttp import web

from sandbox.auth.accounts import Accounts, to_json
from sandbox.auth.errors import Refusal, bad_request
from sandbox.auth.requests import bearer_token, read_fields
from sandbox.auth.sign_ins import SignIns
from sandbox.auth.signing import Signer
from sandbox.auth.store import SignIn, User

# As in Supabase Auth: verifiers may cache the keys for ten minutes.
_KEY_SET_CACHING = "public, max-age=600"
# As in the real response; no provider is enabled here.
_OTHER_PROVIDERS = (
    "apple azure bitbucket discord facebook figma fly github gitlab google kakao keycloak linkedin"
    " linkedin_oidc notion phone slack slack_oidc snapchat spotify twitch twitter workos zoom"
)


class PublicRoutes:
    """Handlers for sign-up, sign-in, refresh, the own account, sign-out and the public keys."""

    def __init__(self, accounts: Accounts, sign_ins: SignIns, signer: Signer) -> None:
        self._accounts = accounts
        self._sign_ins = sign_ins
        self._signer = signer

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/auth/v1/signup", self._signup),
            web.post("/auth/v1/token", self._token),
            web.get("/auth/v1/user", self._get_user),
            web.put("/auth/v1/user", self._put_user),
            web.post("/auth/v1/logout", self._logout),
            web.get("/auth/v1/settings", self._settings),
            web.get("/auth/v1/health", self._health),
            web.get("/auth/v1/.well-known/jwks.json", self._key_set),
        ]

    async def _signup(self, request: web.Request) -> web.Response:
        fields = await read_fields(request)
        fields.refuse("phone")
        data = fields.mapping("data") or {}
        email = fields.text("email")
        if not email:
            user = self._accounts.sign_up_anonymously(data)
            return web.json_response(self._sign_ins.begin(user, "anonymous"))
        user = await self._accounts.sign_up(email, fields.text("password") or "", data)
        return web.json_response(self._sign_ins.begin(user, "password"))

    async def _token(self, request: web.Request) -> web.Response:
        grant = request.query.get("grant_type")
        if grant not in ("password", "refresh_token"):
            raise Refusal(400, "invalid_credentials", "unsupported_grant_type")
        fields = await read_fields(request)
        if grant == "refresh_token":
            token = fields.text("refresh_token")
            if not token:
                raise bad_request("refresh_token required")
            return web.json_response(self._sign_ins.refresh(token))
        fields.refuse("phone")
        email = fields.text("email")
        if not email:
            raise bad_request("missing email or phone")
        user = await self._accounts.by_password(email, fields.text("password") or "")
        return web.json_response(self._sign_ins.begin(user, "password"))

    async def _get_user(self, request: web.Request) -> web.Response:
        user, _ = self._caller(request)
        return web.json_response(to_json(user))

    async def _put_user(self, request: web.Request) -> web.Response:
        user, sign_in = self._caller(request)
        fields = await read_fields(request)
        fields.refuse("phone", "nonce")
        if fields.mapping("app_metadata") is not None:
            raise Refusal(403, "not_admin", "Updating app_metadata requires admin privileges")
        email, password = fields.text("email"), fields.text("password")
        if password is not None:
            if user.is_anonymous and not email:
                raise Refusal(
                    422,
                    "validation_failed",
                    "Updating password of an anonymous user without an email or phone is not"
                    " allowed",
                )
            await self._accounts.refuse_same_password(user.id, password)
        changed = await self._accounts.change(
            user.id,
            email=email,
            password=password,
            user_metadata=fields.mapping("data"),
            keep_session=sign_in.id,
        )
        return web.json_response(to_json(changed))

    async def _logout(self, request: web.Request) -> web.Response:
        _, sign_in = self._caller(request)
        self._sign_ins.end(sign_in, request.query.get("scope") or "global")
        return web.Response(status=204)

    async def _settings(self, _request: web.Request) -> web.Response:
        external = dict.fromkeys(_OTHER_PROVIDERS.split(), False)
        return web.json_response(
            {
                "external": {**external, "anonymous_users": True, "email": True},
                "disable_signup": False,
                "mailer_autoconfirm": True,
                "phone_autoconfirm": False,
                "sms_provider": "",
                "saml_enabled": False,
            }
        )

    async def _health(self, _request: web.Request) -> web.Response:
        return web.json_response(
            {
                "version": "emulator",
                "name": "GoTrue",
                "description": "A local emulator of Supabase Auth",
            }
        )

    async def _key_set(self, _request: web.Request) -> web.Response:
        return web.json_response(
            self._signer.key_set(), headers={"Cache-Control": _KEY_SET_CACHING}
        )

    def _caller(self, request: web.Request) -> tuple[User, SignIn]:
        return self._sign_ins.find(bearer_token(request))
