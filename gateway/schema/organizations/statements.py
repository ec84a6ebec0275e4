"""Statements of organizations: reading them, recording payments, and credit notes."""

import strawberry

from gateway.errors import naming
from gateway.execution.auth import auth_field, finance_field
from gateway.execution.views import views
from gateway.schema import inputs, results
from gateway.schema.connections import (
    DEFAULT_SIZE,
    AfterArgument,
    FirstArgument,
    page_of,
    page_size,
)
from gateway.schema.organizations.organization_inputs import OrganizationIdArgument
from gateway.schema.organizations.statement_types import (
    CreditAccount,
    CreditArgument,
    OfOrganizationArgument,
    PaymentArgument,
    Statement,
    StatementIdArgument,
    StatementLine,
    StatementLinePage,
    StatementPage,
    StatementResult,
    UnpaidArgument,
)
from gateway.upstream.context import Info
from protos.orders.v1 import statements_pb2 as pb

# Names of the arguments for fields of requests.
FIELDS = {
    "statement_id": "statementId",
    "amount": "input.amount",
    "paid_on": "input.paidOn",
    "note": "input.note",
    "idempotency_key": "input.idempotencyKey",
}


@strawberry.type
class StatementQueries:
    """Mixed into Query."""

    @auth_field(
        description="What an organization may buy on account, and what it owes. For its owners, managers and"
        " finance members, and the shop's finance staff."
    )
    async def credit_account(
        self, info: Info, organization_id: OrganizationIdArgument
    ) -> CreditAccount | None:
        request = pb.GetCreditAccountRequest(organization_id=organization_id)
        with naming(organization_id="organizationId"):
            answer = await info.context.call(
                info.context.peers.statements.GetCreditAccount, request
            )
        return CreditAccount.of(answer.account)

    @auth_field(
        description="Monthly statements of an organization, the newest first, page by page. For its owners,"
        " managers and finance members, and the shop's finance staff."
    )
    async def statements(
        self,
        info: Info,
        organization_id: OfOrganizationArgument = None,
        first: FirstArgument = DEFAULT_SIZE,
        after: AfterArgument = None,
        unpaid_only: UnpaidArgument = False,
    ) -> StatementPage | None:
        request = pb.ListStatementsRequest(
            organization_id=organization_id,
            unpaid_only=unpaid_only,
            page_size=page_size(first),
            page_token=after or "",
        )
        with naming(organization_id="organizationId"):
            page = await page_of(
                info.context.call(info.context.peers.statements.ListStatements, request)
            )
        info.context.spend(sum(1 + len(one.settlements) for one in page.statements))
        return StatementPage(
            nodes=views(Statement, page.statements), next_cursor=page.next_page_token or None
        )

    @auth_field(
        description="One statement. Fails with NOT_FOUND if the id is unknown, or the statement is of an"
        " organization of which the caller is no member."
    )
    async def statement(self, info: Info, id: StatementIdArgument) -> Statement | None:
        request = pb.GetStatementRequest(statement_id=id)
        with naming(statement_id="id"):
            answer = await info.context.call(info.context.peers.statements.GetStatement, request)
        return Statement.of(answer.statement)

    @auth_field(description="Lines of a statement in their order, page by page.")
    async def statement_lines(
        self,
        info: Info,
        statement_id: StatementIdArgument,
        first: FirstArgument = DEFAULT_SIZE,
        after: AfterArgument = None,
    ) -> StatementLinePage | None:
        request = pb.ListStatementLinesRequest(
            statement_id=statement_id, page_size=page_size(first), page_token=after or ""
        )
        with naming(statement_id="statementId"):
            page = await page_of(
                info.context.call(info.context.peers.statements.ListStatementLines, request)
            )
        info.context.spend(len(page.lines))
        return StatementLinePage(
            nodes=views(StatementLine, page.lines), next_cursor=page.next_page_token or None
        )


@strawberry.type
class StatementMutations:
    """Mixed into Mutation."""

    @finance_field(
        description="Issues the statement of the current month before its end, such as for an organization"
        " that leaves. What it buys afterwards in this month is on its next statement. Refused with"
        " NOTHING_TO_BILL if there is nothing, or this month has its statement already."
    )
    @results.refusable(StatementResult)
    async def issue_statement(
        self, info: Info, organization_id: OrganizationIdArgument
    ) -> StatementResult | None:
        request = pb.IssueStatementRequest(organization_id=organization_id)
        with naming(organization_id="organizationId"):
            answer = await info.context.change(
                info.context.peers.statements.IssueStatement, request
            )
        return StatementResult.of(answer.statement)

    @finance_field(
        description="Records that an organization has paid a statement, or a part of it. Refused with"
        " AMOUNT_ABOVE_DUE for more than is left to pay."
    )
    @results.refusable(StatementResult)
    async def record_statement_payment(
        self,
        info: Info,
        statement_id: StatementIdArgument,
        input: PaymentArgument,
    ) -> StatementResult | None:
        request = pb.RecordStatementPaymentRequest(
            statement_id=statement_id,
            amount=inputs.amount("input.amount", input.amount, input.currency),
            paid_on=input.paid_on,
            note=input.note,
            idempotency_key=input.idempotency_key,
        )
        with naming(**FIELDS):
            answer = await info.context.change(
                info.context.peers.statements.RecordStatementPayment, request
            )
        return StatementResult.of(answer.statement)

    @finance_field(
        description="Issues a credit note for a statement, which itself never changes. If the credited"
        " amount is paid already, it reduces other statements of the organization instead. Refused with"
        " CREDIT_ABOVE_TOTAL for more than can still be credited: all credit notes of a statement together"
        " are at most its total, and together with the refunds of its orders at most what it charges for"
        " these orders."
    )
    @results.refusable(StatementResult)
    async def credit_statement(
        self,
        info: Info,
        statement_id: StatementIdArgument,
        input: CreditArgument,
    ) -> StatementResult | None:
        request = pb.CreditStatementRequest(
            statement_id=statement_id,
            amount=inputs.amount("input.amount", input.amount, input.currency),
            note=input.note,
            idempotency_key=input.idempotency_key,
        )
        with naming(**FIELDS):
            answer = await info.context.change(
                info.context.peers.statements.CreditStatement, request
            )
        return StatementResult.of(answer.statement)
