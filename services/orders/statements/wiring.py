"""The statements service, and the loop that issues statements."""

import asyncio
from functools import partial

from kit.background import Loop
from kit.db.database import Database
from kit.rpc.guard import Service
from protos.orders.v1 import statements_pb2, statements_pb2_grpc
from services.orders.statements.access import ACCESS
from services.orders.statements.issue import Statements
from services.orders.statements.metrics import StatementMetrics
from services.orders.statements.servicer import StatementsServicer
from services.orders.statements.settings import StatementSettings


def service(
    database: Database, settings: StatementSettings, stop: asyncio.Event
) -> tuple[Service, Loop]:
    """Make the service, and the loop that issues the statements of months that are over."""
    statements = Statements(database, settings, StatementMetrics())
    served = Service(
        statements_pb2.DESCRIPTOR.services_by_name["StatementsService"],
        partial(
            statements_pb2_grpc.add_StatementsServiceServicer_to_server,
            StatementsServicer(database, statements),
        ),
        ACCESS,
    )
    return served, statements.loop(stop)
