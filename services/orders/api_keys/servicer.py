"""The gRPC methods of API keys, and of the issuer of their tokens."""

import logging
from uuid import UUID

from kit.auth import api_keys
from kit.auth.sessions import Role
from kit.db.database import Connection, Database
from kit.errors import Failure, Kind
from kit.rpc import guard as rpc_guard
from kit.rpc.call import Context
from kit.values import checks, timestamps
from protos.auth.v1 import issuer_pb2, issuer_pb2_grpc
from protos.orders.v1 import api_keys_pb2 as pb
from protos.orders.v1 import api_keys_pb2_grpc
from services.orders.api_keys import messages, requests, store
from services.orders.api_keys.api_key import APIKey
from services.orders.api_keys.exchange import Exchange
from services.orders.api_keys.signing_keys import SigningKeys
from services.orders.organizations import member_store, membership
from services.orders.organizations.callers import actor, authorize
from services.orders.organizations.membership import MANAGING, MemberRole
from services.orders.organizations.messages import propagation
from services.orders.organizations.propagate import Propagation

logger = logging.getLogger(__name__)

# Keys of one organization that can be used. Programs share a key; many keys are a mistake.
MAX_KEYS = 50


class APIKeysServicer(api_keys_pb2_grpc.APIKeysServiceServicer):
    """Lets owners and managers create, list and revoke keys, and the gateway exchange them."""

    def __init__(
        self,
        database: Database,
        exchange: Exchange,
        signing_keys: SigningKeys,
        propagation: Propagation,
        *,
        live: bool,
    ) -> None:
        """`live` is False for a test system, whose keys say so."""
        self._database = database
        self._exchange = exchange
        self._signing_keys = signing_keys
        self._propagation = propagation
        self._live = live

    async def CreateAPIKey(
        self, request: pb.CreateAPIKeyRequest, context: Context
    ) -> pb.CreateAPIKeyResponse:
        new = requests.create(request, self._database.now())
        user_id = _person()
        key, key_id = api_keys.create(live=self._live), api_keys.create_id()
        async with self._database.system() as connection:
            member = await membership.find(connection, new.organization_id, user_id, lock=True)
            member.require(MANAGING)
            member.require_active()
            # First, because it locks the organization, so that concurrent calls are counted.
            joined = await member_store.add(
                connection, new.organization_id, key_id, MemberRole.BUYER, "", str(user_id)
            )
            if await store.count(connection, new.organization_id) >= MAX_KEYS:
                raise Failure(
                    Kind.REFUSED,
                    "TOO_MANY_API_KEYS",
                    f"This organization has {MAX_KEYS} API keys, the maximum; revoke one first",
                )
            created = await store.create(
                connection,
                new,
                key_id,
                api_keys.digest(key),
                api_keys.hint(key),
                str(user_id),
            )
        logger.info("API key %s was created by %s", key_id, user_id)
        if joined is not None:
            # The eSIMs service learns of the key from the feed of changes too, if this fails.
            await self._propagation.push(joined)
        return pb.CreateAPIKeyResponse(api_key=messages.key_to_proto(created), key=key)

    async def ListAPIKeys(
        self, request: pb.ListAPIKeysRequest, context: Context
    ) -> pb.ListAPIKeysResponse:
        organization_id, size, after = requests.listing(request)
        async with self._database.system() as connection:
            await authorize(connection, organization_id, MANAGING, staff=Role.ADMIN)
            # One more than requested, to find out if there is a next page.
            found = await store.list_page(connection, organization_id, after, size + 1)
        page = found[:size]
        return pb.ListAPIKeysResponse(
            api_keys=map(messages.key_to_proto, page),
            next_page_token=requests.next_page(request, page[-1]) if len(found) > size else "",
        )

    async def RevokeAPIKey(
        self, request: pb.RevokeAPIKeyRequest, context: Context
    ) -> pb.RevokeAPIKeyResponse:
        key_id = checks.one_id("api_key_id", request.api_key_id)
        async with self._database.system() as connection:
            found = await self._find(connection, key_id)
            # A trigger revokes the key with its membership. A repetition finds neither.
            left = await member_store.end(connection, found.organization_id, key_id, actor())
            found = await self._find(connection, key_id)
        done = True
        if left is not None:
            logger.info("API key %s was revoked by %s", key_id, actor())
            done = await self._propagation.push(left)
        return pb.RevokeAPIKeyResponse(
            api_key=messages.key_to_proto(found), propagation=propagation(done)
        )

    async def _find(self, connection: Connection, key_id: UUID) -> APIKey:
        """Return a key that the caller may manage."""
        found = await store.get(connection, key_id)
        if found is None:
            raise _not_found()
        try:
            await authorize(connection, found.organization_id, MANAGING, staff=Role.ADMIN)
        except Failure as failure:
            if failure.kind is Kind.NOT_FOUND:  # as if the key did not exist
                raise _not_found() from None
            raise
        return found

    async def ExchangeAPIKey(
        self, request: pb.ExchangeAPIKeyRequest, context: Context
    ) -> pb.ExchangeAPIKeyResponse:
        token, expires_at = await self._exchange.token(*requests.exchange(request))
        return pb.ExchangeAPIKeyResponse(token=token, expires_at=timestamps.to_proto(expires_at))

    async def ReplaceSigningKey(
        self, request: pb.ReplaceSigningKeyRequest, context: Context
    ) -> pb.ReplaceSigningKeyResponse:
        created = await self._signing_keys.replace()
        return pb.ReplaceSigningKeyResponse(key_id=created.id)


class IssuerServicer(issuer_pb2_grpc.IssuerServiceServicer):
    """Publishes the keys that verify the tokens of API keys."""

    def __init__(self, signing_keys: SigningKeys) -> None:
        self._signing_keys = signing_keys

    async def GetKeySet(
        self, request: issuer_pb2.GetKeySetRequest, context: Context
    ) -> issuer_pb2.GetKeySetResponse:
        return issuer_pb2.GetKeySetResponse(jwks=await self._signing_keys.key_set())


def _person() -> UUID:
    """Return the id of the caller; raises Failure FORBIDDEN for the service role key."""
    user_id = rpc_guard.session().user_id
    if user_id is None:
        raise Failure(
            Kind.FORBIDDEN,
            "MEMBER_SESSION_REQUIRED",
            "Only an owner or manager of the organization can create its API keys; send their access token",
        )
    return user_id


def _not_found() -> Failure:
    return Failure(
        Kind.NOT_FOUND,
        "API_KEY_NOT_FOUND",
        "None of your organizations has an API key with this id; list the keys",
    )
