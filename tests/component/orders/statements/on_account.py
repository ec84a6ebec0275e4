"""An organization that buys on account in a shop, with helpers for its credit, ledger and statements."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import grpc
import pytest

from kit.rpc.errors import from_error
from kit.values import money
from protos.common.v1 import money_pb2
from protos.orders.v1 import (
    books_pb2,
    books_pb2_grpc,
    orders_pb2,
    orders_pb2_grpc,
    payments_pb2,
    payments_pb2_grpc,
    statements_pb2_grpc,
)
from protos.orders.v1 import organizations_pb2 as organizations
from protos.orders.v1 import statements_pb2 as pb
from services.orders.statements.issue import Statements
from services.orders.statements.metrics import StatementMetrics
from services.orders.statements.settings import StatementSettings
from tests.component.orders.shop import Metadata, Shop, reaches, request
from tests.fixtures.organizations import Member, Organization, create_organization

EACH = Decimal("310.05")  # the price of the plan that tests buy
SETTINGS = StatementSettings("Shop Ltd\nMain St 1", "IBAN DE02", due_days=14)


def usd(amount: Any) -> Any:
    return money.to_proto(Decimal(amount), "USD")


@dataclass
class OnAccount:
    """An organization, and the services that it uses."""

    shop: Shop
    acme: Organization
    channel: grpc.aio.Channel
    orders: "orders_pb2_grpc.OrdersServiceAsyncStub"
    payments: "payments_pb2_grpc.PaymentsServiceAsyncStub"
    statements: "statements_pb2_grpc.StatementsServiceAsyncStub"

    @property
    def admin(self) -> Any:
        """A connection that row security does not bind."""
        return self.shop.databases.admin

    @property
    def owner(self) -> Metadata:
        return self.acme.owner.metadata

    async def buy(self, key: str, who: Member | None = None, **changes: Any) -> orders_pb2.Order:
        """Buy for the organization, by default as its buyer."""
        wanted = request(
            self.shop, idempotency_key=key, **({"organization_id": self.acme.id} | changes)
        )
        member = who or self.acme.buyer
        return (await self.orders.CreateOrder(wanted, metadata=member.metadata)).order

    async def bought(self, key: str, **changes: Any) -> orders_pb2.Order:
        """Return an order that is completed, so that it is owed."""
        order = await self.buy(key, **changes)
        await reaches(self.shop, order.id, "COMPLETED")
        return order

    async def refund(self, order_id: str, amount: Any = None, **changes: Any) -> Any:
        """Refund an order as the finance staff; without an amount, all of it."""
        fields: dict[str, Any] = {
            "order_id": order_id,
            "amount": None if amount is None else usd(amount),
            "note": "a mistake",
            "idempotency_key": f"refund-{order_id}-{amount}",
        }
        wanted = payments_pb2.RefundOrderRequest(**(fields | changes))
        return await self.payments.RefundOrder(wanted, metadata=self.shop.service_key)

    async def credit(self) -> tuple[Any, Any]:
        """Return what is reserved of the credit, and what the organization owes."""
        row = await self.admin.fetchrow(
            "select credit_reserved, credit_owed from orders.organizations where id = $1",
            UUID(self.acme.id),
        )
        return row["credit_reserved"], row["credit_owed"]

    async def ledger(self) -> Any:
        """Return what the organization owes by the ledger."""
        return await self.admin.fetchval(
            "select coalesce(sum(amount), 0) from orders.ledger_entries where account = $1",
            f"receivable:{self.acme.id}",
        )

    async def change(self, **values: Any) -> None:
        """Change columns of the organization."""
        names = ", ".join(f"{name} = ${n}" for n, name in enumerate(values, 2))
        await self.admin.execute(
            f"update orders.organizations set {names} where id = $1",  # noqa: S608 - columns
            UUID(self.acme.id),
            *values.values(),
        )

    async def post(
        self, order: orders_pb2.Order, at: datetime, amount: Any, *, connection: Any = None
    ) -> None:
        """Post a charge of an order at a time in the past, as a capture at that time would have done."""
        await (connection or self.admin).execute(
            "with t as (insert into orders.ledger_transactions (kind, key, order_id, actor, at)"
            " values ('TAKE', 'take:' || gen_random_uuid(), $1::text::uuid, 'test', $2) returning id)"
            " insert into orders.ledger_entries (transaction_id, n, account, amount, currency)"
            " select id, e.n, e.account, e.amount, 'USD' from t, (values"
            " (1::smallint, $3::text, $4::text::numeric), (2::smallint, 'deposits', -($4::text::numeric)))"
            " as e(n, account, amount)",
            order.id,
            at,
            f"receivable:{self.acme.id}",
            str(amount),
        )

    @asynccontextmanager
    async def issuing(self, now: datetime) -> AsyncIterator[Statements]:
        """Yield what issues statements, as it would at a time."""
        async with self.shop.databases.open("orders") as database:
            yield Statements(database, SETTINGS, StatementMetrics(), now=lambda: now)

    async def issue(self, now: datetime) -> list[pb.Statement]:
        """Issue all statements that are due at a time; return those of the organization, newest first."""
        async with self.issuing(now) as statements:
            while await statements.round():
                pass
        return await self.listed()

    async def bill(self) -> pb.Statement:
        """Issue the statement of the current month as the finance staff."""
        wanted = pb.IssueStatementRequest(organization_id=self.acme.id)
        answer = await self.statements.IssueStatement(wanted, metadata=self.shop.service_key)
        return answer.statement

    async def listed(self, who: Metadata | None = None, **changes: Any) -> list[pb.Statement]:
        wanted = pb.ListStatementsRequest(**({"organization_id": self.acme.id} | changes))
        answer = await self.statements.ListStatements(wanted, metadata=who or self.owner)
        return list(answer.statements)

    async def lines(self, statement: pb.Statement, **changes: Any) -> list[pb.StatementLine]:
        wanted = pb.ListStatementLinesRequest(statement_id=statement.id, **changes)
        answer = await self.statements.ListStatementLines(wanted, metadata=self.owner)
        return list(answer.lines)

    async def account(self) -> pb.CreditAccount:
        wanted = pb.GetCreditAccountRequest(organization_id=self.acme.id)
        return (await self.statements.GetCreditAccount(wanted, metadata=self.owner)).account

    async def pay(
        self, statement: pb.Statement, amount: Any, key: str = "k", **changes: Any
    ) -> Any:
        """Record a payment as the finance staff; return the statement afterwards."""
        known = amount is None or isinstance(amount, money_pb2.Money)
        fields: dict[str, Any] = {
            "statement_id": statement.id,
            "amount": amount if known else usd(amount),
            "paid_on": datetime.now(UTC).date().isoformat(),
            "note": "bank",
            "idempotency_key": key,
        }
        wanted = pb.RecordStatementPaymentRequest(**(fields | changes))
        answer = await self.statements.RecordStatementPayment(
            wanted, metadata=self.shop.service_key
        )
        return answer.statement

    async def give_credit(
        self, statement: pb.Statement, amount: Any, key: str = "c", **changes: Any
    ) -> Any:
        """Issue a credit note as the finance staff; return the statement afterwards."""
        fields: dict[str, Any] = {
            "statement_id": statement.id,
            "amount": usd(amount),
            "note": "agreed",
            "idempotency_key": key,
        }
        wanted = pb.CreditStatementRequest(**(fields | changes))
        answer = await self.statements.CreditStatement(wanted, metadata=self.shop.service_key)
        return answer.statement

    async def differences(self) -> set[str]:
        """Compare the books; return the codes of the differences, without those of the two providers."""
        stub: Any = books_pb2_grpc.BooksServiceStub(self.channel)
        return {
            answer.difference.code
            async for answer in stub.CheckBooks(
                books_pb2.CheckBooksRequest(), metadata=self.shop.service_key
            )
            if answer.WhichOneof("result") == "difference"
            and answer.difference.books not in ("PROVIDER", "PAYMENT_PROVIDER")
        }


@asynccontextmanager
async def on_account(
    shop: Shop, limit: Any = 10_000, *, time_zone: str = "UTC", **settings: Any
) -> AsyncIterator[OnAccount]:
    """Run the service with an organization that has a member of each role, and a credit."""
    async with shop.channel(**settings) as channel:
        acme = await create_organization(
            shop.auth,
            channel,
            currency="USD",
            billing=organizations.BILLING_INVOICE,
            credit_limit=usd(limit),
            time_zone=time_zone,
        )
        yield OnAccount(
            shop,
            acme,
            channel,
            orders_pb2_grpc.OrdersServiceStub(channel),
            payments_pb2_grpc.PaymentsServiceStub(channel),
            statements_pb2_grpc.StatementsServiceStub(channel),
        )


def next_month(at: datetime | None = None) -> datetime:
    """Return an hour into the month after a time, by default after now, in UTC."""
    first = (at or datetime.now(UTC)).replace(day=1, hour=1, minute=0, second=0, microsecond=0)
    return (first + timedelta(days=32)).replace(day=1)


async def refused(call: Any) -> Any:
    """Return the failure of a call: its reason, message and details."""
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await call
    return from_error(error.value)
