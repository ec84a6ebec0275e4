"""Makes the budgets service."""

from functools import partial

from kit.db.database import Database
from kit.rpc.guard import Service
from protos.orders.v1 import budgets_pb2, budgets_pb2_grpc
from services.orders.budgets import access
from services.orders.budgets.servicer import BudgetsServicer


def service(database: Database) -> Service:
    """Make the budgets service."""
    return Service(
        budgets_pb2.DESCRIPTOR.services_by_name["BudgetsService"],
        partial(budgets_pb2_grpc.add_BudgetsServiceServicer_to_server, BudgetsServicer(database)),
        access.ACCESS,
    )
