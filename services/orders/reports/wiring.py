"""The parts of reports, and how they depend on each other."""

from functools import partial

import grpc

from kit.changes.reader import Reader
from kit.db.reports import ReportsDatabase
from kit.process.service import Opened
from kit.rpc.guard import Service
from protos.orders.v1 import reports_pb2, reports_pb2_grpc
from services.orders.reports import access
from services.orders.reports.lifecycle import Lifecycle
from services.orders.reports.metrics import SalesMetrics
from services.orders.reports.progress import SOURCE, ESIMProgress
from services.orders.reports.rebuild import Rebuild
from services.orders.reports.sales import Sales
from services.orders.reports.servicer import ReportsServicer
from services.orders.reports.survey import SalesSurvey
from services.orders.reports.upkeep import WeeklyCheck, Zone, older_sales

# The last migration whose tables reports and exports read.
NEEDS = "073_sum_areas_by_either_day"
# Seconds between two reads of eSIMs' changes. Each purchase makes some, and reports can wait.
PAUSE = 1.0


def service(
    opened: Opened, reading: ReportsDatabase, zone: str, esims: grpc.aio.Channel
) -> Service:
    """Make the reports service, and register its loops; `esims` is the channel to the esims service."""
    database, stop = opened.database, opened.stop
    rebuild = Rebuild(database, zone)
    progress = Reader(
        SOURCE,
        esims,
        opened.settings.sessions.service_role_key,
        ESIMProgress(database),
        stop,
        pause=PAUSE,
    )
    opened.loops.extend(
        [
            older_sales(database, stop),
            Zone(database, zone, stop=stop).loop(),
            WeeklyCheck(database, rebuild).loop(stop),
            progress.loop(),
            SalesSurvey(reading, SalesMetrics(), zone).loop(stop),
        ]
    )
    servicer = ReportsServicer(database, Sales(reading, zone), Lifecycle(reading, zone), rebuild)
    return Service(
        reports_pb2.DESCRIPTOR.services_by_name["ReportsService"],
        partial(reports_pb2_grpc.add_ReportsServiceServicer_to_server, servicer),
        access.ACCESS,
    )
