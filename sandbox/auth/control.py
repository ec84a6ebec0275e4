"""Admin API of the emulator under /_control/auth: sessions for scripts, and key rotation."""

from typing import Any

from aiohttp import web

from sandbox.auth.accounts import Accounts
from sandbox.auth.errors import bad_request
from sandbox.auth.requests import Fields, read_fields
from sandbox.auth.sign_ins import SignIns
from sandbox.auth.signing import Signer

# Seconds, a year either way: a negative lifetime gives an expired token.
_LONGEST_LIFETIME = 365 * 86_400
_ROLES = ("customer", "support", "finance", "admin")


class ControlRoutes:
    """Handlers without authentication, which a real auth server doesn't have."""

    def __init__(self, accounts: Accounts, sign_ins: SignIns, signer: Signer) -> None:
        self._accounts = accounts
        self._sign_ins = sign_ins
        self._signer = signer

    def routes(self) -> list[web.RouteDef]:
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
        granted = _granted(fields)
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


def _granted(fields: Fields) -> dict[str, Any] | None:
    """Return the change of app_metadata; None leaves the user unchanged. Raises Refusal."""
    admin, role = fields.flag("admin"), fields.text("role")
    if role is None:
        # null removes the role.
        return None if admin is None else {"role": "admin" if admin else None}
    if admin is not None:
        raise bad_request("admin and role can't be combined")
    if role not in _ROLES:
        raise bad_request(f"role must be one of {', '.join(_ROLES)}")
    return {"role": None if role == "customer" else role}
