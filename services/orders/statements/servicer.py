"""The gRPC methods of the statements service."""

from collections.abc import Sequence
from uuid import UUID

from kit.auth.sessions import SUFFICIENT, Role, Session
from kit.db.database import Connection, Database
from kit.errors import Failure, Kind
from kit.rpc import guard as rpc_guard
from kit.rpc.call import Context
from kit.values import checks, page_token
from protos.orders.v1 import statements_pb2 as pb
from protos.orders.v1 import statements_pb2_grpc
from services.orders.organizations import callers, membership
from services.orders.statements import messages, requests, store
from services.orders.statements.issue import Statements
from services.orders.statements.settle import Settling, Wanted, not_found
from services.orders.statements.statement import Statement


class StatementsServicer(statements_pb2_grpc.StatementsServiceServicer):
    """Shows statements to members and staff who deal with the money of an organization, and settles them."""

    def __init__(self, database: Database, statements: Statements) -> None:
        self._database = database
        self._statements = statements
        self._settling = Settling(database)

    async def GetCreditAccount(
        self, request: pb.GetCreditAccountRequest, context: Context
    ) -> pb.GetCreditAccountResponse:
        organization_id = checks.one_id("organization_id", request.organization_id)
        async with self._database.system() as connection:
            await _authorize(connection, organization_id)
            account = await store.account(connection, organization_id)
        if account is None:
            raise membership.not_found()
        return pb.GetCreditAccountResponse(account=messages.account_to_proto(account))

    async def ListStatements(
        self, request: pb.ListStatementsRequest, context: Context
    ) -> pb.ListStatementsResponse:
        session = rpc_guard.session()
        organization_id, size, before = requests.listing(request)
        async with self._database.system() as connection:
            if organization_id is not None:
                await _authorize(connection, organization_id)
            elif session.role not in SUFFICIENT[Role.FINANCE]:
                raise Failure(
                    Kind.FORBIDDEN,
                    "FINANCE_ONLY",
                    "Only the finance staff lists the statements of all organizations; name yours",
                )
            # One more than requested, to find out if there is a next page.
            found = await store.list_page(
                connection, organization_id, before, size + 1, unpaid_only=request.unpaid_only
            )
            page = await _shown(connection, session, found[:size])
        tokens = [page_token.write_number(request, statement.n) for statement in found[:size]]
        return pb.ListStatementsResponse(
            statements=page,
            next_page_token=tokens[-1] if len(found) > size else "",
            row_tokens=tokens,
        )

    async def GetStatement(
        self, request: pb.GetStatementRequest, context: Context
    ) -> pb.GetStatementResponse:
        session = rpc_guard.session()
        statement_id = checks.one_id("statement_id", request.statement_id)
        async with self._database.system() as connection:
            statement = await _visible(connection, statement_id)
            [shown] = await _shown(connection, session, [statement])
        return pb.GetStatementResponse(statement=shown)

    async def ListStatementLines(
        self, request: pb.ListStatementLinesRequest, context: Context
    ) -> pb.ListStatementLinesResponse:
        statement_id, size, after = requests.lines(request)
        async with self._database.system() as connection:
            statement = await _visible(connection, statement_id)
            found = await store.lines(connection, statement_id, after, size + 1)
        page = found[:size]
        tokens = [page_token.write_number(request, line.position) for line in page]
        return pb.ListStatementLinesResponse(
            lines=[
                messages.line_to_proto(line, statement.currency, token)
                for line, token in zip(page, tokens, strict=True)
            ],
            next_page_token=tokens[-1] if len(found) > size else "",
        )

    async def IssueStatement(
        self, request: pb.IssueStatementRequest, context: Context
    ) -> pb.IssueStatementResponse:
        organization_id = checks.one_id("organization_id", request.organization_id)
        async with self._database.system() as connection:
            await _authorize(connection, organization_id)
        issued = await self._statements.close(organization_id, callers.actor())
        async with self._database.system() as connection:
            statement = await _visible(connection, issued)
            [shown] = await _shown(connection, rpc_guard.session(), [statement])
        return pb.IssueStatementResponse(statement=shown)

    async def RecordStatementPayment(
        self, request: pb.RecordStatementPaymentRequest, context: Context
    ) -> pb.RecordStatementPaymentResponse:
        settled = await self._settle(requests.payment(request))
        return pb.RecordStatementPaymentResponse(statement=settled)

    async def CreditStatement(
        self, request: pb.CreditStatementRequest, context: Context
    ) -> pb.CreditStatementResponse:
        settled = await self._settle(requests.credit(request))
        return pb.CreditStatementResponse(statement=settled)

    async def _settle(self, wanted: Wanted) -> pb.Statement:
        session = rpc_guard.session()
        statement = await self._settling.settle(wanted, callers.actor())
        async with self._database.system() as connection:
            [shown] = await _shown(connection, session, [statement])
        return shown


async def _shown(
    connection: Connection, session: Session, statements: Sequence[Statement]
) -> list[pb.Statement]:
    settled = await store.settlements(connection, [one.id for one in statements])
    return [
        messages.statement_to_proto(one, settled.get(one.id, ()), session) for one in statements
    ]


async def _visible(connection: Connection, statement_id: UUID) -> Statement:
    """Return a statement that the caller may see.

    Raises Failure NOT_FOUND (STATEMENT_NOT_FOUND), also for one of an organization of which the caller is no
    member, and FORBIDDEN (MEMBER_ROLE_INSUFFICIENT).
    """
    statement = await store.get(connection, statement_id)
    if statement is None:
        raise not_found()
    try:
        await _authorize(connection, statement.organization_id)
    except Failure as failure:
        if failure.kind is Kind.NOT_FOUND:
            raise not_found() from None
        raise
    return statement


async def _authorize(connection: Connection, organization_id: UUID) -> None:
    """Raise Failure unless the caller is of the finance staff, or a member who deals with money."""
    await callers.authorize(connection, organization_id, membership.ACCOUNTING, staff=Role.FINANCE)
