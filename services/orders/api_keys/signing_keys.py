"""The keys that sign the tokens of API keys: all replicas share them through the database."""

import logging
from datetime import timedelta

from kit.auth import signing
from kit.auth.signing import Sealing, SigningKey
from kit.db.database import Connection, Database
from services.orders.api_keys import store

logger = logging.getLogger(__name__)

# How long a key signs, before the next exchange creates another one.
SIGNS_FOR = timedelta(days=30)
# Then its tokens expire, and the key is published for a while longer.
PUBLISHED_FOR = SIGNS_FOR + timedelta(hours=1)
LOCK = "orders: signing keys"


class SigningKeys:
    """Finds the key that signs, and creates one if there is none or it is too old."""

    def __init__(self, database: Database, service_role_key: str) -> None:
        self._database = database
        self._sealing = Sealing(service_role_key)
        # The key that signed last, so that it isn't decrypted for each token.
        self._last: SigningKey | None = None

    async def current(self) -> SigningKey:
        """Return the key that signs."""
        async with self._database.system() as connection:
            if (found := await self._find(connection)) is not None:
                return found
        async with self._database.system(locks=[LOCK]) as connection:
            # Another process may have created it meanwhile.
            if (found := await self._find(connection)) is not None:
                return found
            await store.delete_signing_keys(connection, PUBLISHED_FOR)
            return await self._create(connection)

    async def replace(self) -> SigningKey:
        """Create a key and withdraw all earlier ones, whose tokens are refused from now on."""
        async with self._database.system(locks=[LOCK]) as connection:
            created = await self._create(connection)
            await store.delete_other_signing_keys(connection, created.id)
        return created

    async def key_set(self) -> bytes:
        """Return the JWKS document with all keys that verify tokens."""
        async with self._database.system() as connection:
            return signing.key_set(await store.public_keys(connection))

    async def _find(self, connection: Connection) -> SigningKey | None:
        for key_id, sealed in await store.sealed_keys(connection, SIGNS_FOR):
            if self._last is not None and self._last.id == key_id:
                return self._last
            # A key of a process with another service role key can't be opened, while that is being replaced.
            if (opened := self._sealing.open(key_id, sealed)) is not None:
                self._last = opened
                return opened
        return None

    async def _create(self, connection: Connection) -> SigningKey:
        created = SigningKey.create()
        await store.add_signing_key(connection, created, self._sealing.seal(created))
        logger.info("created the signing key %s for tokens of API keys", created.id)
        return created
