"""Exchanges an API key for a short-lived access token, which the services verify like any other."""

from datetime import UTC, datetime

from kit.auth import api_keys
from kit.db.database import Database
from services.orders.api_keys import store
from services.orders.api_keys.api_key import check_use, effective
from services.orders.api_keys.signing_keys import SigningKeys


class Exchange:
    """Issues the tokens of API keys."""

    def __init__(self, database: Database, signing_keys: SigningKeys) -> None:
        self._database = database
        self._signing_keys = signing_keys

    async def token(self, key_hash: bytes, address: str) -> tuple[str, datetime]:
        """Return a token for the key with that hash, and when it expires.

        `address` is that of the client, empty if it is unknown. Raises Failure as `check_use` does.
        """
        at = self._database.now()
        async with self._database.system() as connection:
            found = await store.find(connection, key_hash)
            key = check_use(found, address, at)
            await store.record_use(connection, key.id)
        signing_key = await self._signing_keys.current()
        now = int(at.timestamp())
        expires = now + api_keys.TOKEN_SECONDS
        if key.expires_at is not None:
            expires = min(expires, int(key.expires_at.timestamp()))
        token = signing_key.token(
            key.id, key.organization_id, effective(key.scopes), now=now, expires=expires
        )
        return token, datetime.fromtimestamp(expires, UTC)
