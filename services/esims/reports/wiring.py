"""The parts of reports, and how they depend on each other."""

from functools import partial

from kit.db.database import Database
from kit.db.reports import ReportsDatabase
from kit.rpc.guard import Service
from protos.esims.v1 import reports_pb2, reports_pb2_grpc
from services.esims.reports import access
from services.esims.reports.servicer import ReportsServicer
from services.esims.reports.usage import Usage
from services.esims.usage.check import UsageCheck

# The last migration whose tables reports and exports read.
NEEDS = "069_export_esims"


def service(database: Database, reading: ReportsDatabase, time_zone: str) -> Service:
    """Make the reports service."""
    servicer = ReportsServicer(database, Usage(reading, time_zone), UsageCheck(database))
    return Service(
        reports_pb2.DESCRIPTOR.services_by_name["ReportsService"],
        partial(reports_pb2_grpc.add_ReportsServiceServicer_to_server, servicer),
        access.ACCESS,
    )
