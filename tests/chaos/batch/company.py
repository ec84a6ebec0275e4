"""An organization with a wallet and a budget, and the batch that it buys."""

import random
import uuid
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import grpc

from kit.values import money
from protos.orders.v1 import (
    batches_pb2,
    batches_pb2_grpc,
    books_pb2,
    books_pb2_grpc,
    budgets_pb2,
    budgets_pb2_grpc,
    orders_pb2,
    orders_pb2_grpc,
    organizations_pb2,
    organizations_pb2_grpc,
    payments_pb2,
    payments_pb2_grpc,
)
from tests.chaos.purchase.machine import Machine
from tests.chaos.purchase.workload import Plan

# More than any run costs.
WALLET_AMOUNT = Decimal(1_000_000)
# Seconds until a call is given up, as processes restart meanwhile.
CALL_TIMEOUT = 20.0
NAMES = ("Zoë Müller", "山田 太郎", "Иван Петров", "محمد علي", "Ann O'Neill", "=HYPERLINK(1)")
# Shares of rows with several eSIMs, and without a traveler.
SEVERAL, NAMELESS = 0.1, 0.2
Metadata = tuple[tuple[str, str], ...]


@dataclass(slots=True)
class Company:
    """The organization, and the manager who buys for it."""

    machine: Machine
    channel: grpc.aio.Channel
    id: str
    manager: Metadata
    budget_id: str

    @property
    def batches(self) -> "batches_pb2_grpc.BatchesServiceAsyncStub":
        return batches_pb2_grpc.BatchesServiceStub(self.channel)

    async def create(self, items: list[batches_pb2.BatchItemInput]) -> batches_pb2.Batch:
        """Create the batch; a repetition after a lost response returns the same one."""
        request = batches_pb2.CreateBatchRequest(
            batch=batches_pb2.BatchInput(organization_id=self.id, items=items, name="Everybody"),
            idempotency_key=str(uuid.uuid4()),
        )
        answer: batches_pb2.CreateBatchResponse = await self.call(self.batches.CreateBatch, request)
        return answer.batch

    async def get(self, batch_id: str) -> batches_pb2.Batch:
        request = batches_pb2.GetBatchRequest(batch_id=batch_id)
        answer: batches_pb2.GetBatchResponse = await self.call(self.batches.GetBatch, request)
        return answer.batch

    async def items(self, batch_id: str) -> list[batches_pb2.BatchItem]:
        request = batches_pb2.ListBatchItemsRequest(batch_id=batch_id, page_size=1000)
        return list((await self.call(self.batches.ListBatchItems, request)).items)

    async def budget(self) -> budgets_pb2.Budget:
        stub = budgets_pb2_grpc.BudgetsServiceStub(self.channel)
        request = budgets_pb2.ListBudgetsRequest(organization_id=self.id)
        answer: budgets_pb2.ListBudgetsResponse = await self.call(stub.ListBudgets, request)
        return answer.budgets[0]

    async def differences(self) -> tuple[int, list[str]]:
        """Return how many orders CheckBooks compares, and the differences that it finds."""
        stub = books_pb2_grpc.BooksServiceStub(self.channel)
        differences, checked = [], 0
        answers = stub.CheckBooks(books_pb2.CheckBooksRequest(), metadata=self.service)
        async for answer in answers:
            if answer.HasField("difference"):
                one = answer.difference
                differences.append(f"{one.books} {one.code} {one.subject}: {one.message}")
            else:
                checked = answer.summary.orders
        return checked, differences

    @property
    def service(self) -> Metadata:
        return (("authorization", f"Bearer {self.machine.service_key}"),)

    async def call(self, method: Any, request: Any) -> Any:
        """Call as the manager; `wait_for_ready` waits for a process that is restarting."""
        return await call(method, request, self.manager)


async def call(method: Any, request: Any, metadata: Metadata) -> Any:
    """Call until there is a response; each of these calls can be repeated."""
    while True:
        try:
            return await method(
                request, metadata=metadata, timeout=CALL_TIMEOUT, wait_for_ready=True
            )
        except grpc.aio.AioRpcError as error:
            if error.code() not in (
                grpc.StatusCode.UNAVAILABLE,
                grpc.StatusCode.DEADLINE_EXCEEDED,
                grpc.StatusCode.CANCELLED,
                grpc.StatusCode.UNKNOWN,
            ):
                raise


async def create(
    machine: Machine, channel: grpc.aio.Channel, limit: Decimal = WALLET_AMOUNT
) -> Company:
    """Create an organization that pays in advance, with a manager, a full wallet and a budget."""
    service = (("authorization", f"Bearer {machine.service_key}"),)
    organizations = organizations_pb2_grpc.OrganizationsServiceStub(channel)
    created = await call(
        organizations.CreateOrganization,
        organizations_pb2.CreateOrganizationRequest(
            name="Acme", currency="USD", billing=organizations_pb2.BILLING_PREPAID
        ),
        service,
    )
    company = created.organization.id
    email = "manager@acme.example.com"
    invited = await call(
        organizations.InviteMember,
        organizations_pb2.InviteMemberRequest(
            organization_id=company, email=email, role=organizations_pb2.MEMBER_ROLE_OWNER
        ),
        service,
    )
    manager = (("authorization", f"Bearer {await machine.token(email)}"),)
    await call(
        organizations.AcceptInvitation,
        organizations_pb2.AcceptInvitationRequest(token=invited.token),
        manager,
    )
    await call(
        payments_pb2_grpc.PaymentsServiceStub(channel).CorrectWallet,
        payments_pb2.CorrectWalletRequest(
            organization_id=company,
            amount=money.to_proto(WALLET_AMOUNT, "USD"),
            note="paid in advance",
            idempotency_key=str(uuid.uuid4()),
            received=True,
        ),
        service,
    )
    budget = await call(
        budgets_pb2_grpc.BudgetsServiceStub(channel).SetBudget,
        budgets_pb2.SetBudgetRequest(
            organization_id=company,
            scope=budgets_pb2.BUDGET_SCOPE_ORGANIZATION,
            period=budgets_pb2.BUDGET_PERIOD_NONE,
            amount=money.to_proto(limit, "USD"),
        ),
        manager,
    )
    return Company(machine, channel, company, manager, budget.budget.id)


def rows(
    count: int, plans: list[Plan], poison: Plan, rng: random.Random
) -> list[batches_pb2.BatchItemInput]:
    """Return the rows of a batch, one of them for the plan `poison`, which is withdrawn before its turn."""
    poisoned = rng.randrange(count)
    items = []
    for number in range(count):
        plan = poison if number == poisoned else rng.choice(plans)
        traveler = None
        if rng.random() >= NAMELESS:
            name = f"{rng.choice(NAMES)} {number}"
            traveler = batches_pb2.BatchTraveler(name=name, email=f"p{number}@example.com")
        items.append(
            batches_pb2.BatchItemInput(
                plan_id=plan.id,
                quantity=rng.randint(2, 4) if rng.random() < SEVERAL else 1,
                traveler=traveler,
                reference=f"row {number + 1}",
            )
        )
    return items


async def buy_one(channel: grpc.aio.Channel, buyer: Metadata, plan: Plan) -> str:
    """Buy one eSIM as a customer does, and return the status of the order."""
    stub = orders_pb2_grpc.OrdersServiceStub(channel)
    request = orders_pb2.CreateOrderRequest(
        plan_id=plan.id, quantity=1, idempotency_key=str(uuid.uuid4())
    )
    answer = await stub.CreateOrder(request, metadata=buyer, timeout=CALL_TIMEOUT)
    return orders_pb2.OrderStatus.Name(answer.order.status)
