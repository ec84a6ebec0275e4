"""Accounts: sign up, change, delete, and their JSON."""

import asyncio
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from sandbox.auth import passwords
from sandbox.auth.errors import Refusal, bad_request
from sandbox.auth.store import EmailTakenError, Store, User

# One @, a dot in the domain, no spaces; stricter rules are useless as no mail is sent.
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s.]+")
_MAX_EMAIL = 255

_EMAIL_TAKEN = "A user with this email address has already been registered"


class Accounts:
    """The users of one emulator. Addresses are confirmed at once, as no mail is sent."""

    def __init__(self, store: Store, clock: Callable[[], float]) -> None:
        self._store = store
        self._clock = clock

    async def sign_up(self, email: str, password: str, data: dict[str, Any]) -> User:
        """Create a user who signs up; raise Refusal."""
        if not password:
            raise bad_request("Signup requires a valid password")
        email = check_email(email)
        hashed = await new_password(password)
        user = self._new(email, hashed, confirmed=True)
        facts = {"sub": user.id, "email": email, "email_verified": True, "phone_verified": False}
        user.user_metadata = {**data, **facts}
        return self._add(user, Refusal(422, "user_already_exists", "User already registered"))

    def sign_up_anonymously(self, data: dict[str, Any]) -> User:
        """Create a user without an address."""
        user = self._new(None, None, confirmed=False)
        user.is_anonymous = True
        user.app_metadata = {}
        user.user_metadata = data
        return self._add(user, Refusal(500, "unexpected_failure", "Could not create the user"))

    async def create(
        self,
        email: str,
        *,
        password: str | None = None,
        confirmed: bool,
        user_id: str | None = None,
        app_metadata: dict[str, Any] | None = None,
        user_metadata: dict[str, Any] | None = None,
    ) -> User:
        """Create a user for an administrator; raise Refusal."""
        email = check_email(email)
        hashed = await new_password(password) if password else None
        user = self._new(email, hashed, confirmed=confirmed)
        if user_id is not None:
            user.id = _check_id(user_id)
            if self._store.user(user.id) is not None:
                raise Refusal(422, "user_already_exists", "A user with this id already exists")
        user.app_metadata = _merge(user.app_metadata, app_metadata)
        user.user_metadata = _merge({"email_verified": True}, user_metadata)
        return self._add(user, Refusal(422, "email_exists", _EMAIL_TAKEN))

    async def by_password(self, email: str, password: str) -> User:
        """Return the user with that address and password; raise Refusal."""
        user = self._store.user_by_email(email)
        wrong = Refusal(400, "invalid_credentials", "Invalid login credentials")
        if user is None or user.password is None:
            raise wrong
        hashed = user.password
        right = await asyncio.to_thread(passwords.matches, password, hashed)
        # Read again, as the password may have changed during the slow comparison.
        user = self._store.user(user.id)
        if not right or user is None or user.password != hashed:
            raise wrong
        if user.email_confirmed_at is None:
            raise Refusal(400, "email_not_confirmed", "Email not confirmed")
        return user

    async def change(
        self,
        user_id: str,
        *,
        email: str | None = None,
        password: str | None = None,
        confirmed: bool = False,
        app_metadata: dict[str, Any] | None = None,
        user_metadata: dict[str, Any] | None = None,
        keep_session: str | None = None,
    ) -> User:
        """Change the given fields; raise Refusal.

        Metadata is merged, and null removes a key. A new password ends all the user's
        sessions except `keep_session`.
        """
        new_email = check_email(email) if email else None
        hashed = None if password is None else await new_password(password)
        # Read after the slow hashing, during which another request may have written.
        user = self.get(user_id)
        now = self._clock()
        if new_email is not None:
            user.email = new_email
            if user.is_anonymous:
                user.is_anonymous = False
                user.email_confirmed_at = now
                user.app_metadata = {**user.app_metadata, **_EMAIL_PROVIDER}
        if confirmed and user.email_confirmed_at is None:
            user.email_confirmed_at = now
        user.app_metadata = _merge(user.app_metadata, app_metadata)
        user.user_metadata = _merge(user.user_metadata, user_metadata)
        user.updated_at = now
        with self._store.transaction():
            if hashed is not None:
                user.password = hashed
                self._store.end_sign_ins(user.id, except_for=keep_session)
            try:
                self._store.save_user(user)
            except EmailTakenError as error:
                raise Refusal(422, "email_exists", _EMAIL_TAKEN) from error
        return user

    async def refuse_same_password(self, user_id: str, password: str) -> None:
        """Raise Refusal if the user already has that password."""
        current = self.get(user_id).password
        if current is None:
            return
        same = await asyncio.to_thread(passwords.matches, password, current)
        if same:
            raise Refusal(
                422, "same_password", "New password should be different from the old password."
            )

    def get(self, user_id: str) -> User:
        """Return a user; raise Refusal if there is none."""
        user = self._store.user(_check_id(user_id))
        if user is None:
            raise Refusal(404, "user_not_found", "User not found")
        return user

    def by_email(self, email: str) -> User | None:
        return self._store.user_by_email(email)

    def page(self, *, page: int, per_page: int) -> tuple[list[User], int]:
        """Return the users of a page (counted from 1), newest first, and the number of all users."""
        users = self._store.users(limit=per_page, offset=(page - 1) * per_page)
        return users, self._store.count_users()

    def delete(self, user_id: str) -> None:
        """Delete the user with all sessions; raise Refusal if there is none."""
        user = self.get(user_id)
        with self._store.transaction():
            self._store.delete_user(user.id)

    def _new(self, email: str | None, hashed: str | None, *, confirmed: bool) -> User:
        now = self._clock()
        return User(
            id=str(uuid4()),
            email=email,
            password=hashed,
            email_confirmed_at=now if confirmed else None,
            last_sign_in_at=None,
            app_metadata=dict(_EMAIL_PROVIDER),
            user_metadata={},
            is_anonymous=False,
            created_at=now,
            updated_at=now,
        )

    def _add(self, user: User, taken: Refusal) -> User:
        try:
            with self._store.transaction():
                self._store.add_user(user)
        except EmailTakenError as error:
            raise taken from error
        return user


_EMAIL_PROVIDER = {"provider": "email", "providers": ["email"]}


async def new_password(password: str) -> str:
    """Return the hash of a new password; raise Refusal if it is too weak."""
    passwords.check_strength(password)
    return await asyncio.to_thread(passwords.hash_password, password)


def check_email(email: str) -> str:
    """Return the normalized address; raise Refusal if it is invalid."""
    if not email:
        raise bad_request("An email address is required")
    if len(email) > _MAX_EMAIL:
        raise bad_request("An email address is too long")
    if not _EMAIL.fullmatch(email):
        raise bad_request("Unable to validate email address: invalid format")
    return email.lower()


def to_json(user: User) -> dict[str, Any]:
    """Return the user's JSON, without the password's hash."""
    confirmed_at = _timestamp(user.email_confirmed_at)
    optional = {
        "email_confirmed_at": confirmed_at,
        "confirmed_at": confirmed_at,
        "last_sign_in_at": _timestamp(user.last_sign_in_at),
    }
    return {
        "id": user.id,
        "aud": "authenticated",
        "role": "authenticated",
        "email": user.email or "",
        "phone": "",
        **{name: value for name, value in optional.items() if value is not None},
        "app_metadata": user.app_metadata,
        "user_metadata": user.user_metadata,
        "identities": [_identity(user)] if user.email else [],
        "created_at": _timestamp(user.created_at),
        "updated_at": _timestamp(user.updated_at),
        "is_anonymous": user.is_anonymous,
    }


def _identity(user: User) -> dict[str, Any]:
    return {
        "identity_id": user.id,
        "id": user.id,
        "user_id": user.id,
        "identity_data": {
            "sub": user.id,
            "email": user.email,
            "email_verified": user.email_confirmed_at is not None,
            "phone_verified": False,
        },
        "provider": "email",
        "last_sign_in_at": _timestamp(user.last_sign_in_at),
        "created_at": _timestamp(user.created_at),
        "updated_at": _timestamp(user.updated_at),
        "email": user.email,
    }


def _timestamp(seconds: float | None) -> str | None:
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")


def _check_id(user_id: str) -> str:
    try:
        return str(UUID(user_id))
    except ValueError as error:
        raise bad_request("user_id must be an UUID") from error


def _merge(old: dict[str, Any], new: dict[str, Any] | None) -> dict[str, Any]:
    merged = {**old, **(new or {})}
    return {name: value for name, value in merged.items() if value is not None}
