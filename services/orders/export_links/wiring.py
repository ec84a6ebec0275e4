"""The export links service."""

from functools import partial

from kit.db.database import Database
from kit.rpc.guard import Service
from protos.orders.v1 import export_links_pb2, export_links_pb2_grpc
from services.orders.export_links.access import ACCESS
from services.orders.export_links.servicer import ExportLinksServicer


def service(database: Database) -> Service:
    """Make the service."""
    return Service(
        export_links_pb2.DESCRIPTOR.services_by_name["ExportLinksService"],
        partial(
            export_links_pb2_grpc.add_ExportLinksServiceServicer_to_server,
            ExportLinksServicer(database),
        ),
        ACCESS,
    )
