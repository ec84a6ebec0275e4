"""An organization on the platform, and what its members do with travelers and share links over GraphQL."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc

from services.orders.organizations.membership import Billing
from services.orders.organizations.messages import BILLINGS
from tests.fixtures.gateway import Client
from tests.fixtures.organizations import Organization, create_organization
from tests.fixtures.platform import Platform

PLANS = '{ dataPlans(filter: {text: "esim_1GB_7D_GB_V2"}) { id title } }'
BUY = """mutation($plan: ID!, $input: PurchaseInput) { purchaseESIM(planId: $plan, input: $input) {
    success code error order { id } } }"""
ASSIGN = """mutation($esim: ID!, $traveler: TravelerInput!) { assignESIM(esimId: $esim, traveler: $traveler) {
    success code error esim { id traveler { id name email userId } } } }"""
UNASSIGN = (
    "mutation($esim: ID!) { unassignESIM(esimId: $esim) { success code esim { traveler { id } } } }"
)
SHARE = """mutation($esim: ID!, $pin: Boolean!, $expires: DateTime) {
    createShareLink(esimId: $esim, pin: $pin, expiresAt: $expires) {
        success code error url pin link { id status hasPin expiresAt openedAt } } }"""
LINKS = "query($esim: ID!) { shareLinks(esimId: $esim) { id status openedAt lockedUntil } }"
REVOKE = "mutation($id: ID!) { revokeShareLink(id: $id) { success code url pin link { status } } }"
SHOW = (
    "mutation($id: ID!) { showShareLinkCode(id: $id) { success code link { codeShownAgainAt } } }"
)
LISTED = """query($id: ID!, $group: ID, $traveler: ID, $first: Int = 20, $after: String) {
    organizationESIMs(
        organizationId: $id, groupId: $group, travelerId: $traveler, first: $first, after: $after
    ) {
        edges { node { id organizationId groupId traveler { name } usage { totalRemaining } } }
        pageInfo { hasNextPage endCursor } totalCount } }"""


@dataclass(frozen=True, slots=True)
class Company:
    """The organization, and the platform that it buys on."""

    platform: Platform
    organization: Organization

    def client(self, role: str) -> Client:
        """Return the client of a member, by their role in lower case."""
        return self.platform.client.signed_in(getattr(self.organization, role).token)

    async def buy(self, role: str = "buyer", **options: Any) -> Any:
        """Buy an eSIM for the organization, and return it when it is delivered."""
        client = self.client(role)
        (plan,) = (await client.ask(PLANS)).data["dataPlans"]
        wanted = {"organizationId": self.organization.id} | options
        bought = (await client.ask(BUY, plan=plan["id"], input=wanted)).data["purchaseESIM"]
        assert bought["success"], bought
        order = await self.platform.completed(client, bought["order"]["id"])
        (esim,) = order["esims"]
        return esim

    async def share(self, esim: Any, *, pin: bool = False) -> Any:
        made = await self.client("owner").ask(SHARE, esim=esim["id"], pin=pin)
        found = made.data["createShareLink"]
        assert found["success"], found
        return found


@asynccontextmanager
async def company(platform: Platform, name: str = "Acme") -> AsyncIterator[Company]:
    """Found an organization whose members pay as any customer."""
    async with grpc.aio.insecure_channel(platform.orders_address) as channel:
        organization = await create_organization(
            platform.auth, channel, name, currency="USD", billing=BILLINGS[Billing.CARD]
        )
        yield Company(platform, organization)
