"""An organization that buys in a shop, with helpers for its budgets."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import uuid4

import grpc
import pytest

from kit.values import money
from protos.orders.v1 import budgets_pb2 as pb
from protos.orders.v1 import (
    budgets_pb2_grpc,
    orders_pb2,
    orders_pb2_grpc,
    organizations_pb2,
    payments_pb2,
)
from services.orders.organizations.membership import Billing
from services.orders.organizations.messages import BILLINGS
from tests.component.orders.shop import Metadata, Shop, request
from tests.fixtures.organizations import Member, Organization, create_organization
from tests.fixtures.rpc.refusals import reason_of

ORGANIZATION = pb.BUDGET_SCOPE_ORGANIZATION
GROUP = pb.BUDGET_SCOPE_GROUP
MEMBER = pb.BUDGET_SCOPE_MEMBER
NONE, MONTH, YEAR = pb.BUDGET_PERIOD_NONE, pb.BUDGET_PERIOD_MONTH, pb.BUDGET_PERIOD_YEAR
EACH = Decimal("310.05")  # the price of the plan that tests buy


@dataclass
class Company:
    """An organization, and the services that it uses."""

    shop: Shop
    acme: Organization
    channel: grpc.aio.Channel
    orders: "orders_pb2_grpc.OrdersServiceAsyncStub"
    budgets: "budgets_pb2_grpc.BudgetsServiceAsyncStub"

    async def buy(self, who: Member, key: str, **changes: Any) -> orders_pb2.Order:
        """Buy for the organization as one of its members."""
        wanted = request(
            self.shop, idempotency_key=key, **({"organization_id": self.acme.id} | changes)
        )
        return (await self.orders.CreateOrder(wanted, metadata=who.metadata)).order

    async def set_budget(
        self, amount: Any, scope: int = ORGANIZATION, period: int = MONTH, **changes: Any
    ) -> pb.Budget:
        """Set a budget as the owner; no amount is no limit."""
        session = changes.pop("metadata", self.acme.owner.metadata)
        wanted = pb.SetBudgetRequest(
            organization_id=self.acme.id,
            scope=scope,  # type: ignore[arg-type] # values of the enum
            period=period,  # type: ignore[arg-type] # the same
            amount=None if amount is None else money.to_proto(Decimal(amount), "USD"),
            **changes,
        )
        return (await self.budgets.SetBudget(wanted, metadata=session)).budget

    async def list_budgets(self, who: Metadata | None = None) -> list[pb.Budget]:
        answer = await self.budgets.ListBudgets(
            pb.ListBudgetsRequest(organization_id=self.acme.id),
            metadata=who or self.acme.owner.metadata,
        )
        return list(answer.budgets)

    async def taken(self, budget: pb.Budget) -> tuple[Any, Any]:
        """Return what the present period of a budget has spent, and what is reserved."""
        found = next(b for b in await self.list_budgets() if b.id == budget.id)
        return money.from_proto(found.spent), money.from_proto(found.reserved)

    async def warnings(self) -> list[Any]:
        """Return the bodies of all warnings in the outbox."""
        rows = await self.shop.databases.admin.fetch(
            "select body from orders.outbox where type = 'budget.warning' order by id"
        )
        return [json.loads(row["body"]) for row in rows]


@asynccontextmanager
async def company(
    shop: Shop, billing: str = "CARD", channel: grpc.aio.Channel | None = None, **settings: Any
) -> AsyncIterator[Company]:
    """Run the service with an organization that has a member of each role."""
    if channel is not None:
        yield await _company(shop, billing, channel)
        return
    async with shop.channel(**settings) as opened:
        yield await _company(shop, billing, opened)


async def _company(shop: Shop, billing: str, channel: grpc.aio.Channel) -> Company:
    acme = await create_organization(
        shop.auth, channel, currency="USD", billing=BILLINGS[Billing(billing)]
    )
    return Company(
        shop,
        acme,
        channel,
        orders_pb2_grpc.OrdersServiceStub(channel),
        budgets_pb2_grpc.BudgetsServiceStub(channel),
    )


async def refused(call: Any) -> grpc.aio.AioRpcError:
    """Return the error of a call that fails."""
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await call
    return error.value


async def refusal(call: Any) -> str:
    """Return the reason for which a call fails."""
    return reason_of(await refused(call))


async def group_of(acme: Company, name: str = "Sales", *members: Member) -> str:
    """Create a group with members."""
    service, owner = acme.acme.service, acme.acme.owner.metadata
    created = await service.CreateGroup(
        organizations_pb2.CreateGroupRequest(organization_id=acme.acme.id, name=name),
        metadata=owner,
    )
    for member in members:
        await service.AddGroupMember(
            organizations_pb2.AddGroupMemberRequest(
                group_id=created.group.id, user_id=str(member.user_id)
            ),
            metadata=owner,
        )
    return created.group.id


def correction(
    acme: Company, amount: str, currency: str = "USD", **changes: Any
) -> payments_pb2.CorrectWalletRequest:
    fields: dict[str, Any] = {
        "organization_id": acme.acme.id,
        "amount": money.to_proto(Decimal(amount), currency),
        "note": "bank transfer 17",
        "idempotency_key": str(uuid4()),
        "received": True,
    }
    return payments_pb2.CorrectWalletRequest(**(fields | changes))
