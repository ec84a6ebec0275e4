"""Exports of the shop and of organizations, as CSV or Parquet, while the services stream their rows."""

from collections.abc import AsyncGenerator
from dataclasses import replace

from aiohttp import web

from gateway.http.files.downloads import Downloads
from gateway.http.files.export_files import ExportFiles
from gateway.http.rate_limits import RateLimits
from gateway.http.rest import Rest
from gateway.sheets.exports.export import FORMATS, Export
from gateway.sheets.exports.kinds import KINDS
from gateway.upstream import export_links
from gateway.upstream.calls import READ_TIMEOUT
from gateway.upstream.peers import Peers
from kit.auth.sessions import Session
from kit.errors import Failure, Kind, invalid
from kit.rpc import client as rpc_client
from kit.values import plain_text
from protos.orders.v1 import export_links_pb2 as pb

# Seconds. The services stop an export after 15 minutes.
SECONDS = 930.0
FIELDS = {
    "from": "from_day",
    "to": "to_day",
    "timeZone": "time_zone",
    "organizationId": "organization_id",
}
SWITCHES = {"1": True, "true": True, "0": False, "false": False}
MAX_TOKEN = 100


class Exports:
    """The routes. The services check the caller's role, and log each export with the caller."""

    def __init__(
        self,
        rest: Rest,
        peers: Peers,
        limits: RateLimits,
        files: ExportFiles,
        downloads: Downloads,
        service_role_key: str,
    ) -> None:
        self._rest = rest
        self._peers = peers
        self._limits = limits
        self._files = files
        self._downloads = downloads
        self._key = service_role_key

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/exports/{kind}.{format}", self._rest.signed_in(self.file), allow_head=False),
        ]

    def links(self) -> list[web.RouteDef]:
        """Return the route of one-time links, which browsers open as pages and not from scripts."""
        return [
            web.get(
                f"{export_links.PATH}{{token}}", self._rest.answered(self.linked), allow_head=False
            )
        ]

    async def file(self, request: web.Request, session: Session) -> web.StreamResponse:
        """Return an export."""
        return await self._send(request, session, _export(request))

    async def linked(self, request: web.Request) -> web.StreamResponse:
        """Return the export that a one-time link stands for, with the session of who created the link."""
        await self._limits.take(request)
        token = request.match_info["token"][:MAX_TOKEN]
        wanted = pb.TakeExportLinkRequest(token_hash=export_links.token_hash(token))
        stored = await rpc_client.call(
            self._peers.export_links.TakeExportLink, wanted, token=self._key, timeout=READ_TIMEOUT
        )
        found = export_links.opened(token, stored.sealed)
        session = await self._rest.session(request, f"Bearer {found.session}")
        return await self._send(request, session, found.export)

    async def _send(
        self, request: web.Request, session: Session, export: Export
    ) -> web.StreamResponse:
        try:
            export.check()
            headers: dict[str, str] = {}
            pieces: AsyncGenerator[bytes, None] = self._files.pieces(session, export, headers)
            return await self._downloads.send(
                request, session, export.name, pieces, seconds=SECONDS, headers=headers
            )
        except Failure as failure:
            # As the parameters are called.
            fields = {name.removeprefix("range."): text for name, text in failure.fields.items()}
            raise replace(failure, fields=fields) from failure


def _export(request: web.Request) -> Export:
    """Parse a request; raise Failure NOT_FOUND for an unknown kind or format, INVALID for a parameter."""
    kind, format_ = request.match_info["kind"], request.match_info["format"]
    if kind not in KINDS or format_ not in FORMATS:
        raise Failure(
            Kind.NOT_FOUND,
            "EXPORT_NOT_FOUND",
            f"There is no such export; there are {', '.join(KINDS)}, each as {' or '.join(FORMATS)},"
            " such as /exports/orders.csv",
        )
    given: dict[str, str] = {}
    problems: dict[str, str] = {}
    for name, value in request.query.items():
        if name in given:
            problems[name] = "is given twice"
        elif name in FIELDS and not value:
            problems[name] = "must not be empty; leave out the parameter instead"
        elif name not in FIELDS and name != "bom":
            known = ", ".join((*FIELDS, "bom"))
            problems[plain_text.quoted(name[:64])] = f"is not a parameter of exports; use {known}"
        given[name] = value
    bom = SWITCHES.get(given.pop("bom", "0").lower())
    if bom is None:
        problems["bom"] = "must be 1 for a byte order mark, or 0"
    if problems:
        raise invalid(problems)
    texts = {FIELDS[name]: value for name, value in given.items()}
    return Export(kind, format_, bom=bool(bom), **texts)
