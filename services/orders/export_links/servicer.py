"""The gRPC methods of the export links service."""

from uuid import UUID

from kit.auth.sessions import SUFFICIENT, Role
from kit.db.database import Connection, Database
from kit.errors import Failure, Kind
from kit.reports import exports
from kit.rpc import guard as rpc_guard
from kit.rpc.call import Context
from kit.values import timestamps
from protos.orders.v1 import export_links_pb2 as pb
from protos.orders.v1 import export_links_pb2_grpc
from services.orders.export_links import requests, store
from services.orders.organizations import callers
from services.orders.organizations.membership import ACCOUNTING


class ExportLinksServicer(export_links_pb2_grpc.ExportLinksServiceServicer):
    """Stores one-time links until they are opened."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def CreateExportLink(
        self, request: pb.CreateExportLinkRequest, context: Context
    ) -> pb.CreateExportLinkResponse:
        link = requests.create(request)
        async with self._database.system() as connection:
            await _authorize(connection, link.organization_id)
            await store.delete_expired(connection)
            if await store.is_full(connection):
                raise Failure(
                    Kind.EXHAUSTED,
                    "TOO_MANY_EXPORT_LINKS",
                    "Very many export links are open; try again in a minute",
                    retry_after=store.VALID,
                )
            expires_at = await store.add(connection, link)
        if expires_at is None:
            raise Failure(
                Kind.CONFLICT, "EXPORT_LINK_EXISTS", "A link has this token; make another token"
            )
        return pb.CreateExportLinkResponse(expires_at=timestamps.to_proto(expires_at))

    async def TakeExportLink(
        self, request: pb.TakeExportLinkRequest, context: Context
    ) -> pb.TakeExportLinkResponse:
        token_hash = requests.take(request)
        async with self._database.system() as connection:
            sealed = await store.take(connection, token_hash)
        if sealed is None:
            raise Failure(
                Kind.NOT_FOUND,
                "EXPORT_LINK_NOT_FOUND",
                "This link was used already, or its minute is over; create another one",
            )
        return pb.TakeExportLinkResponse(sealed=sealed)


async def _authorize(connection: Connection, organization_id: UUID | None) -> None:
    """Raise Failure unless the caller may export anything of the organization, or of the whole shop."""
    if organization_id is not None:
        await callers.authorize(connection, organization_id, ACCOUNTING, staff=Role.FINANCE)
    elif rpc_guard.session().role not in SUFFICIENT[Role.FINANCE]:
        raise exports.not_for_all()
