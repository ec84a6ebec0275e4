"""The gRPC methods of the budgets service."""

from kit.auth.sessions import Role
from kit.db.database import Database
from kit.errors import Failure, Kind
from kit.rpc.call import Context
from kit.values import checks
from protos.orders.v1 import budgets_pb2 as pb
from protos.orders.v1 import budgets_pb2_grpc
from services.orders.budgets import change, messages, requests, store
from services.orders.budgets.budget import not_found
from services.orders.organizations import callers
from services.orders.organizations.membership import ACCOUNTING, BUYING, MANAGING


class BudgetsServicer(budgets_pb2_grpc.BudgetsServiceServicer):
    """Reads and sets budgets, as far as the caller's role in the organization allows."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def ListBudgets(
        self, request: pb.ListBudgetsRequest, context: Context
    ) -> pb.ListBudgetsResponse:
        organization_id = checks.one_id("organization_id", request.organization_id)
        async with self._database.system() as connection:
            member = await callers.authorize(
                connection, organization_id, ACCOUNTING | BUYING, staff=Role.FINANCE
            )
            if member is None or member.role in ACCOUNTING:
                found = await store.list_all(connection, organization_id)
            else:
                found = await store.list_applying(
                    connection, organization_id, member.user_id, list(member.groups)
                )
        return pb.ListBudgetsResponse(budgets=map(messages.budget_to_proto, found))

    async def SetBudget(
        self, request: pb.SetBudgetRequest, context: Context
    ) -> pb.SetBudgetResponse:
        wanted = requests.set_budget(request)
        async with self._database.system() as connection:
            await callers.authorize(
                connection,
                wanted.target.organization_id,
                MANAGING,
                staff=Role.ADMIN,
                lock=True,
            )
            requests.check_currency(wanted, await change.currency(connection, wanted.target))
            budget = await change.set_budget(
                connection, wanted.target, wanted.limit, callers.actor()
            )
        return pb.SetBudgetResponse(budget=messages.budget_to_proto(budget))

    async def DeleteBudget(
        self, request: pb.DeleteBudgetRequest, context: Context
    ) -> pb.DeleteBudgetResponse:
        budget_id = checks.one_id("budget_id", request.budget_id)
        async with self._database.system() as connection:
            budget = await store.get(connection, budget_id)
            if budget is None:
                raise not_found()
            try:
                await callers.authorize(
                    connection,
                    budget.target.organization_id,
                    MANAGING,
                    staff=Role.ADMIN,
                    lock=True,
                )
            except Failure as failure:
                # Of another organization, so it must look like one that does not exist.
                raise (not_found() if failure.kind is Kind.NOT_FOUND else failure) from None
            if not await store.end(connection, budget_id, callers.actor()):
                raise not_found()
        return pb.DeleteBudgetResponse(budget=messages.budget_to_proto(budget))
