"""Downloads of the eSIMs of a batch: as a sheet, as QR codes in a ZIP archive, and as a PDF to print."""

from collections.abc import AsyncGenerator
from uuid import UUID

from aiohttp import web

from gateway.http.files.downloads import Downloads
from gateway.http.files.rendering import Renderer
from gateway.http.rest import Rest
from gateway.sheets import writing
from gateway.sheets.esims import HEADER, DeliveredESIM
from gateway.upstream.calls import READ_TIMEOUT
from gateway.upstream.peers import Peers
from kit.auth.sessions import Session
from kit.errors import Failure, Kind
from kit.rpc import client as rpc_client
from protos.orders.v1 import batches_pb2 as pb

# The orders service's maximum.
PAGE = 500
# Bytes that are sent at once.
PIECE = 32 * 1024


class BatchDownloads:
    """The routes. The orders service checks the caller's role, and logs each download with the caller."""

    def __init__(self, rest: Rest, peers: Peers, renderer: Renderer, downloads: Downloads) -> None:
        self._rest = rest
        self._peers = peers
        self._renderer = renderer
        self._downloads = downloads

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get(
                f"/batches/{{id}}/esims.{kind}", self._rest.signed_in(handler), allow_head=False
            )
            for kind, handler in (("csv", self.sheet), ("zip", self.archive), ("pdf", self.pages))
        ]

    async def sheet(self, request: web.Request, session: Session) -> web.StreamResponse:
        """Return a CSV file; with `bom=true` in the query, it begins with a byte order mark, for Excel."""
        marked = request.query.get("bom", "").lower() in ("1", "true")
        return await self._send(request, session, "csv", marked=marked)

    async def archive(self, request: web.Request, session: Session) -> web.StreamResponse:
        """Return a ZIP archive with a PNG per eSIM, and the sheet."""
        return await self._send(request, session, "zip")

    async def pages(self, request: web.Request, session: Session) -> web.StreamResponse:
        """Return a PDF with an installation page per eSIM."""
        return await self._send(request, session, "pdf")

    async def _send(
        self, request: web.Request, session: Session, kind: str, *, marked: bool = False
    ) -> web.StreamResponse:
        batch_id = _batch_id(request)
        first = await self._page(session, batch_id, "")
        if not first.esims:
            raise Failure(
                Kind.REFUSED,
                "NOTHING_DELIVERED",
                "No eSIM of this batch can be installed now: none is delivered yet, or all were cancelled;"
                " list its rows for their status",
            )
        esims = self._esims(session, batch_id, first)
        if kind == "csv":
            pieces = _csv(esims, marked=marked)
        else:
            pieces = (self._renderer.archive if kind == "zip" else self._renderer.pages)(esims)
        return await self._downloads.send(request, session, f"esims-{batch_id}.{kind}", pieces)

    async def _esims(
        self, session: Session, batch_id: str, page: pb.ListBatchESIMsResponse
    ) -> AsyncGenerator[DeliveredESIM, None]:
        while True:
            for esim in page.esims:
                yield _delivered(esim)
            if not page.next_page_token:
                return
            page = await self._page(session, batch_id, page.next_page_token)

    async def _page(
        self, session: Session, batch_id: str, page_token: str
    ) -> pb.ListBatchESIMsResponse:
        request = pb.ListBatchESIMsRequest(batch_id=batch_id, page_token=page_token, page_size=PAGE)
        return await rpc_client.call(
            self._peers.batches.ListBatchESIMs, request, token=session.token, timeout=READ_TIMEOUT
        )


def _batch_id(request: web.Request) -> str:
    try:
        return str(UUID(request.match_info["id"]))
    except ValueError as error:
        raise Failure(
            Kind.NOT_FOUND, "BATCH_NOT_FOUND", "Batch not found; list the batches for their ids"
        ) from error


def _delivered(esim: pb.BatchESIM) -> DeliveredESIM:
    return DeliveredESIM(
        position=esim.position,
        number=esim.number,
        iccid=esim.iccid,
        smdp_address=esim.smdp_address,
        matching_id=esim.matching_id,
        name=esim.traveler.name,
        email=esim.traveler.email,
        reference=esim.reference,
        plan_id=esim.plan_id,
        plan_title=esim.plan_title,
    )


async def _csv(
    esims: AsyncGenerator[DeliveredESIM, None], *, marked: bool
) -> AsyncGenerator[bytes, None]:
    piece = bytearray(b"".join(writing.lines(HEADER, (), byte_order_mark=marked)))
    async for esim in esims:
        piece += writing.line(esim.row())
        if len(piece) > PIECE:
            yield bytes(piece)
            piece.clear()
    yield bytes(piece)
