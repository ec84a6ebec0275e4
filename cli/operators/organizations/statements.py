"""Operations of `esimgo organizations statements`, `paid` and `credit`: what organizations owe on account."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from uuid import UUID, uuid4

from cli.config.access import Access
from cli.errors import CommandError
from cli.operators import output
from cli.operators.finance.payments import repeatable, to_money
from cli.operators.service import Service, connect
from protos.orders.v1 import statements_pb2 as pb
from protos.orders.v1.statements_pb2_grpc import StatementsServiceStub

PAGE = 100
LINES = 1000
TITLES = ("number", "month", "status", "total", "left", "due", "organization", "id")
LINE_TITLES = ("", "at", "what", "reference", "group", "amount", "tax")
SETTLEMENT_TITLES = ("at", "kind", "amount", "number", "note")


@dataclass(frozen=True, slots=True)
class Statements:
    """Statements for the finance staff. Each method returns lines to print, and raises CommandError."""

    service: Service
    as_json: bool = False

    async def list_statements(
        self, organization: UUID | None, limit: int, *, unpaid: bool
    ) -> list[str]:
        """List statements, newest first, after what the organization owes in all if it is named."""
        request = pb.ListStatementsRequest(
            organization_id=str(organization) if organization else None,
            unpaid_only=unpaid,
            page_size=min(limit, PAGE),
        )
        found = await self.service.listed("ListStatements", request, "statements", limit)
        if self.as_json:
            return output.document(found)
        lines = output.table(TITLES, map(_row, found), "no such statement")
        if organization is None:
            return lines
        wanted = pb.GetCreditAccountRequest(organization_id=str(organization))
        account = (await self.service.call("GetCreditAccount", wanted)).account
        return [_account(account), "", *lines]

    async def show(self, statement: UUID) -> list[str]:
        """Show a statement with its lines and what settles it."""
        wanted = pb.GetStatementRequest(statement_id=str(statement))
        found = (await self.service.call("GetStatement", wanted)).statement
        request = pb.ListStatementLinesRequest(statement_id=str(statement), page_size=LINES)
        lines = await self.service.listed("ListStatementLines", request, "lines")
        if self.as_json:
            return output.document({"statement": found, "lines": lines})
        return [
            *self._shown(found),
            "",
            *output.table(LINE_TITLES, map(_line, lines), "no lines"),
        ]

    async def bill(self, organization: UUID) -> list[str]:
        """Issue the statement of the current month."""
        request = pb.IssueStatementRequest(organization_id=str(organization))
        return self._shown((await self.service.call("IssueStatement", request)).statement)

    async def paid(
        self,
        statement: UUID,
        amount: Decimal,
        currency: str,
        *,
        on: date,
        note: str,
        key: str | None,
    ) -> list[str]:
        """Record a payment of a statement."""
        key = key or str(uuid4())
        request = pb.RecordStatementPaymentRequest(
            statement_id=str(statement),
            amount=to_money(amount, currency),
            paid_on=on.isoformat(),
            note=note,
            idempotency_key=key,
        )
        answer = await repeatable(self.service, "RecordStatementPayment", request, key)
        return self._shown(answer.statement)

    async def credit(
        self, statement: UUID, amount: Decimal, currency: str, *, note: str, key: str | None
    ) -> list[str]:
        """Issue a credit note for a statement."""
        key = key or str(uuid4())
        request = pb.CreditStatementRequest(
            statement_id=str(statement),
            amount=to_money(amount, currency),
            note=note,
            idempotency_key=key,
        )
        answer = await repeatable(self.service, "CreditStatement", request, key)
        return self._shown(answer.statement)

    def _shown(self, found: pb.Statement) -> list[str]:
        if self.as_json:
            return output.document(found)
        lines = [
            f"{found.number} for {found.name}, {found.month[:7]} ({found.time_zone}): {_status(found)}",
            f"id {found.id}",
            f"total {output.amount(found.total)}, tax in it {output.amount(found.tax)},"
            f" left to pay {output.amount(found.left)} until {found.due_on}",
        ]
        if found.settlements:
            rows = map(_settlement, found.settlements)
            lines += ["", *output.table(SETTLEMENT_TITLES, rows, "")]
        return lines


@asynccontextmanager
async def open_statements(
    access: Access, token: str | None, *, as_json: bool = False
) -> AsyncIterator[Statements]:
    """Connect to the orders service."""
    async with connect(access, "orders", StatementsServiceStub, token=token) as service:
        yield Statements(service, as_json)


def day(text: str) -> date:
    """Return a day; raise CommandError for another text."""
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise CommandError(f"{text} is not a day; write it as 2026-11-30") from error


def _account(account: pb.CreditAccount) -> str:
    return (
        f"owes {output.amount(account.owed)}, of which {output.amount(account.unbilled)} are on no statement"
        f" yet; {output.amount(account.reserved)} reserved; credit limit"
        f" {output.amount(account.credit_limit)}, available {output.amount(account.available)}"
    )


def _status(found: pb.Statement) -> str:
    return pb.StatementStatus.Name(found.status).removeprefix("STATEMENT_STATUS_").lower()


def _row(found: pb.Statement) -> tuple[str, ...]:
    return (
        found.number,
        found.month[:7],
        _status(found),
        output.amount(found.total),
        output.amount(found.left),
        found.due_on,
        found.name,
        found.id,
    )


def _line(line: pb.StatementLine) -> tuple[str, ...]:
    what = f"{line.quantity} x {line.description or 'erased'}"
    return (
        str(line.position),
        output.moment(line, "at"),
        f"refund of an order of {what}" if line.kind == "REFUND" else what,
        line.reference,
        line.group_name,
        output.amount(line.amount),
        output.amount(line.tax),
    )


def _settlement(one: pb.StatementSettlement) -> tuple[str, ...]:
    return (
        output.moment(one, "at"),
        one.kind.lower().replace("_", " "),
        output.amount(one.amount),
        one.number or one.other_number,
        " ".join(filter(None, (one.paid_on, one.note))),
    )
