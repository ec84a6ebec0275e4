"""The parts of exports, and how they depend on each other."""

from functools import partial

from kit.db.database import Database
from kit.db.exports import Exports
from kit.db.reports import ReportsDatabase
from kit.rpc.guard import Service
from protos.orders.v1 import exports_pb2, exports_pb2_grpc
from services.orders.exports import access
from services.orders.exports.servicer import ExportsServicer


def service(database: Database, reading: ReportsDatabase, time_zone: str) -> Service:
    """Make the exports service, which reads as reports do."""
    servicer = ExportsServicer(database, Exports(reading), time_zone)
    return Service(
        exports_pb2.DESCRIPTOR.services_by_name["ExportsService"],
        partial(exports_pb2_grpc.add_ExportsServiceServicer_to_server, servicer),
        access.ACCESS,
    )
