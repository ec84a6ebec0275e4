"""An organization on a running platform whose programs use API keys."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc

from kit.rpc import client as rpc_client
from protos.orders.v1 import orders_pb2, orders_pb2_grpc, organizations_pb2
from services.orders.organizations.membership import MemberRole
from tests.fixtures.api_keys import exchange
from tests.fixtures.gateway import Client
from tests.fixtures.organizations import Organization, create_organization
from tests.fixtures.patience import PATIENCE
from tests.fixtures.platform import BUNDLE, Platform

OWNER = (MemberRole.OWNER,)
CREATE = """mutation($id: ID!, $input: APIKeyInput!) { createAPIKey(organizationId: $id, input: $input) {
    success error code key apiKey { id name hint scopes addresses createdAt createdBy expiresAt lastUsedAt
    revokedAt revokedBy } } }"""


@dataclass
class Company:
    """An organization on a running platform, and a connection to its orders service."""

    platform: Platform
    acme: Organization
    channel: grpc.aio.Channel

    @property
    def owner(self) -> Client:
        return self.platform.client.signed_in(self.acme.owner.token)

    async def key(self, *scopes: str, **fields: Any) -> Client:
        """Create a key with GraphQL, and return a client that uses it."""
        given = {"name": "shop", "scopes": scopes} | fields
        answer = await self.owner.ask(CREATE, id=self.acme.id, input=given)
        created = answer.data["createAPIKey"]
        assert created["success"], created
        return self.platform.client.signed_in(created["key"])

    async def buy(self, key: str, idempotency_key: str = "key-1") -> str:
        """Buy with a key, and return the order's id."""
        plans = await self.platform.client.ask(
            f'{{ dataPlans(filter: {{text: "{BUNDLE}"}}) {{ id name }} }}'
        )
        plan = next(one["id"] for one in plans.data["dataPlans"] if one["name"] == BUNDLE)
        token = (await exchange(self.channel, self.platform.auth, key, "127.0.0.1")).token
        stub = orders_pb2_grpc.OrdersServiceStub(self.channel)
        bought = await stub.CreateOrder(
            orders_pb2.CreateOrderRequest(
                plan_id=plan,
                quantity=1,
                idempotency_key=idempotency_key,
                organization_id=self.acme.id,
            ),
            metadata=(("authorization", f"Bearer {token}"),),
            timeout=PATIENCE,
        )
        return bought.order.id


@asynccontextmanager
async def company(platform: Platform, name: str = "Acme") -> AsyncIterator[Company]:
    async with rpc_client.channel(platform.orders_address) as channel:
        acme = await create_organization(
            platform.auth,
            channel,
            name,
            roles=OWNER,
            currency="USD",
            billing=organizations_pb2.BILLING_CARD,
        )
        yield Company(platform, acme, channel)
