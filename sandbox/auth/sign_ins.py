"""Sign-ins: issue, exchange and revoke access and refresh tokens."""

import secrets
from collections.abc import Callable
from typing import Any
from uuid import uuid4

from sandbox.auth.accounts import to_json
from sandbox.auth.errors import Refusal, bad_request
from sandbox.auth.settings import AuthSettings
from sandbox.auth.signing import Signer
from sandbox.auth.store import RefreshToken, SignIn, Store, User


class SignIns:
    """The sessions of one emulator's users."""

    def __init__(
        self, store: Store, signer: Signer, settings: AuthSettings, clock: Callable[[], float]
    ) -> None:
        self._store = store
        self._signer = signer
        self._settings = settings
        self._clock = clock

    def begin(self, user: User, method: str, *, lifetime: int | None = None) -> dict[str, Any]:
        """Start a session of a just read user; `lifetime` is that of the first access token in seconds."""
        now = self._clock()
        user.last_sign_in_at = now
        sign_in = SignIn(str(uuid4()), user.id, method, now)
        refresh = _new_refresh_token(sign_in.id, None, now)
        with self._store.transaction():
            self._store.save_user(user)
            self._store.add_sign_in(sign_in)
            self._store.add_refresh_token(refresh)
        return self._answer(user, sign_in, refresh.token, lifetime)

    def refresh(self, token: str) -> dict[str, Any]:
        """Exchange a refresh token, which is revoked, for new tokens; raise Refusal.

        A revoked one still works if its successor was never used (the response may have been
        lost), or within the reuse interval. Otherwise it ends the whole session, as two parties
        must have it.
        """
        given = self._store.refresh_token(token)
        sign_in = self._store.sign_in(given.session_id) if given else None
        user = self._store.user(sign_in.user_id) if sign_in else None
        if given is None or sign_in is None or user is None:
            raise Refusal(
                400, "refresh_token_not_found", "Invalid Refresh Token: Refresh Token Not Found"
            )
        now = self._clock()
        if given.revoked:
            active = self._store.active_refresh_token(sign_in.id)
            if active is not None and active.parent == given.token:
                return self._answer(user, sign_in, active.token, None)
            if now > given.updated_at + self._settings.reuse_interval:
                with self._store.transaction():
                    self._store.revoke_refresh_tokens(sign_in.id, now)
                raise Refusal(
                    400, "refresh_token_already_used", "Invalid Refresh Token: Already Used"
                )
        successor = _new_refresh_token(sign_in.id, given.token, now)
        with self._store.transaction():
            self._store.revoke_refresh_token(given.token, now)
            self._store.add_refresh_token(successor)
        return self._answer(user, sign_in, successor.token, None)

    def find(self, access_token: str) -> tuple[User, SignIn]:
        """Return the user and session of an access token; raise Refusal."""
        claims = self._signer.read(access_token, self._clock())
        user = self._store.user(str(claims["sub"]))
        if user is None:
            raise Refusal(403, "user_not_found", "User from sub claim in JWT does not exist")
        sign_in = self._store.sign_in(str(claims.get("session_id")))
        if sign_in is None or sign_in.user_id != user.id:
            raise Refusal(
                403, "session_not_found", "Session from session_id claim in JWT does not exist"
            )
        return user, sign_in

    def end(self, sign_in: SignIn, scope: str) -> None:
        """Sign out: this session (`local`), all others (`others`), or all of the user (`global`)."""
        if scope not in ("global", "local", "others"):
            raise bad_request("Unsupported logout scope; use global, local or others")
        with self._store.transaction():
            if scope == "local":
                self._store.end_sign_in(sign_in.id)
            else:
                kept = sign_in.id if scope == "others" else None
                self._store.end_sign_ins(sign_in.user_id, except_for=kept)

    def _answer(
        self, user: User, sign_in: SignIn, refresh_token: str, lifetime: int | None
    ) -> dict[str, Any]:
        issued = int(self._clock())
        expires_in = self._settings.token_lifetime if lifetime is None else lifetime
        claims = {
            "iss": f"{self._settings.public_url}/auth/v1",
            "sub": user.id,
            "aud": "authenticated",
            "exp": issued + expires_in,
            "iat": issued,
            "email": user.email or "",
            "phone": "",
            "app_metadata": user.app_metadata,
            "user_metadata": user.user_metadata,
            "role": "authenticated",
            "aal": "aal1",
            "amr": [{"method": sign_in.method, "timestamp": int(sign_in.signed_in_at)}],
            "session_id": sign_in.id,
            "is_anonymous": user.is_anonymous,
        }
        return {
            "access_token": self._signer.sign(claims),
            "token_type": "bearer",
            "expires_in": expires_in,
            "expires_at": claims["exp"],
            "refresh_token": refresh_token,
            "user": to_json(user),
        }


def _new_refresh_token(session_id: str, parent: str | None, now: float) -> RefreshToken:
    # 16 bytes can't be guessed.
    token = secrets.token_urlsafe(16)
    return RefreshToken(token, session_id, parent, revoked=False, updated_at=now)
