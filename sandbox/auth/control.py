"""The emulator's own door, under /_control/auth: sessions for scripts, and key rotation."""

from aiohttp import web

from sandbox.auth.accounts import Accounts
from sandbox.auth.errors import bad_request
from sandbox.auth.requests import read_fields
from sandbox.auth.sign_ins import SignIns
from sandbox.auth.signing import Signer

# A year either way: a lifetime below zero gives a token that has expired already.
_LONGEST_LIFETIME = 365 * 86_400


class ControlRoutes:
    """What no real auth server offers; open to everyone who can reach the port."""

    def __init__(self, accounts: Accounts, sign_ins: SignIns, signer: Signer) -> None:
        self._accounts = accounts
        self._sign_ins = sign_ins
        self._signer = signer

    def routes(self) -> list[web.RouteDef]:
        """What to add to an application."""
        return [
            web.post("/_control/auth/session", self._session),
            web.post("/_control/auth/rotate-key", self._rotate_key),
            web.post("/_control/auth/drop-old-keys", self._drop_old_keys),
        ]

    async def _session(self, request: web.Request) -> web.Response:
        fields = await read_fields(request)
        email = fields.text("email") or ""
        lifetime = fields.number("expires_in")
        if lifetime is not None and abs(lifetime) > _LONGEST_LIFETIME:
            raise bad_request(f"expires_in must be within {_LONGEST_LIFETIME} seconds")
        admin = fields.flag("admin")
        # A role of null takes it away; a call that doesn't say leaves the user as they are.
        granted = None if admin is None else {"role": "admin" if admin else None}
        user = self._accounts.by_email(email)
        if user is None:
            user = await self._accounts.create(email, confirmed=True, app_metadata=granted)
        else:
            user = await self._accounts.change(user.id, confirmed=True, app_metadata=granted)
        return web.json_response(self._sign_ins.begin(user, "otp", lifetime=lifetime))

    async def _rotate_key(self, _request: web.Request) -> web.Response:
        return web.json_response({"kid": self._signer.rotate()})

    async def _drop_old_keys(self, _request: web.Request) -> web.Response:
        return web.json_response({"dropped": self._signer.drop_old()})
