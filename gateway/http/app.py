"""Builds the gateway's HTTP application: creates its parts, connects them, and adds the routes."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import aiohttp
from aiohttp import web

from gateway.documents.metrics import Metrics
from gateway.documents.persisted import KnownDocuments, PersistedQueries
from gateway.http import cors
from gateway.http.event_stream import EventStreams
from gateway.http.execution import Execution
from gateway.http.explorer_page import Explorer
from gateway.http.files.batch_downloads import BatchDownloads
from gateway.http.files.batch_sheets import BatchSheets
from gateway.http.files.downloads import Downloads
from gateway.http.files.export_files import ExportFiles
from gateway.http.files.exports import Exports
from gateway.http.files.rendering import Renderer
from gateway.http.files.statement_downloads import StatementDownloads
from gateway.http.handler import Handler
from gateway.http.health import Health
from gateway.http.middleware import PATH, Edge
from gateway.http.public_answers import PublicAnswers
from gateway.http.rate_limits import RateLimits
from gateway.http.repeated_requests import RepeatedRequests
from gateway.http.response_cache import ResponseCache
from gateway.http.rest import Rest
from gateway.http.share.routes import SharePages
from gateway.http.sockets import Sockets
from gateway.schema import assembly
from gateway.settings import Settings
from gateway.upstream import revision
from gateway.upstream.api_keys import APIKeySessions
from gateway.upstream.peers import Peers
from kit import background
from kit.auth.sessions import Verifier
from kit.http import metrics as http_metrics
from kit.http import tracing as http_tracing
from kit.process import issuers
from kit.rpc import client as rpc_client


@dataclass(frozen=True, slots=True)
class Gateway:
    """The application, with the parts that the process stops and that tests inspect."""

    app: web.Application
    cache: ResponseCache | None
    edge: Edge
    sockets: Sockets
    streams: EventStreams

    async def close_streams(self) -> None:
        """Close event streams and WebSockets, and accept no new ones; other requests continue."""
        await self.streams.close()
        await self.sockets.close()


@asynccontextmanager
async def open_gateway(settings: Settings) -> AsyncIterator[Gateway]:
    """Open the connections that the gateway needs, build it, and close them after the block."""
    async with AsyncExitStack() as parts:
        http = await parts.enter_async_context(aiohttp.ClientSession())
        orders = rpc_client.channel(settings.orders_address, settings.tls)
        peers = Peers(
            catalogue=rpc_client.channel(settings.catalogue_address, settings.tls),
            orders=orders,
            esims=rpc_client.channel(settings.esims_address, settings.tls),
        )
        parts.push_async_callback(peers.close)
        persisted = None
        if settings.persisted_queries:
            persisted = PersistedQueries(
                settings.redis_url, per_client=settings.persisted_per_client
            )
            parts.push_async_callback(persisted.close)
        limits = RateLimits(settings.defence, settings.redis_url)
        parts.push_async_callback(limits.close)
        cache = None
        if settings.response_cache_seconds:
            cache = ResponseCache(
                settings.response_cache_seconds, max_bytes=settings.response_cache_bytes
            )
        watching = revision.watch(peers, cache.drop if cache is not None else None)
        parts.callback(background.start(watching, "watch the catalogue's revision").cancel)
        keys = issuers.api_keys(orders, settings.sessions.service_role_key)
        verifier = settings.sessions.verifier(http, keys)
        yield _build(settings, peers, verifier, persisted, limits, cache)


def _build(
    settings: Settings,
    peers: Peers,
    verifier: Verifier,
    persisted: PersistedQueries | None,
    limits: RateLimits,
    cache: ResponseCache | None,
) -> Gateway:
    """Connect the parts that handle requests, from the schema to the routes."""
    defence, metrics, pages = settings.defence, Metrics(), cors.Pages(settings.cors_origins)
    schema = assembly.build(settings.max_depth, defence)
    known = KnownDocuments(settings.trusted_documents, persisted, schema.prepare, defence.work)
    keys = APIKeySessions(peers, verifier, settings.sessions.service_role_key)
    execution = Execution(schema, peers, verifier, keys, known, settings, metrics)
    sockets, streams = Sockets(settings, execution, limits, pages), EventStreams(settings)
    public = None
    if cache is not None:
        public = PublicAnswers(cache, defence.costs, metrics, settings.response_cache_seconds)
    explorer = _explorer(settings)
    handler = Handler(
        settings,
        schema,
        known,
        execution,
        limits,
        metrics,
        pages,
        sockets,
        streams,
        public,
        explorer,
    )
    edge = Edge(pages)
    app = web.Application(
        client_max_size=settings.max_body, middlewares=[http_metrics.measured(), edge.middleware]
    )
    graphql = handler.graphql
    if public is not None:
        graphql = RepeatedRequests(
            graphql,
            public,
            limits,
            pages,
            plain_get=defence.plain_get,
            max_body=settings.max_body,
        ).graphql
    http_tracing.trace_requests(app, (PATH,), trusted=settings.trust_traceparent)
    app.on_response_prepare.append(edge.mark)
    app.add_routes(
        [
            web.get(PATH, graphql, allow_head=False),
            web.post(PATH, graphql),
            web.options(PATH, pages.preflight),
            *_files(settings, peers, Rest(execution, limits, metrics), limits, pages),
            *SharePages(
                peers,
                limits,
                settings.sessions.service_role_key,
                settings.support_address,
                body_seconds=settings.http.body_seconds,
            ).routes(),
            *Health(peers, lambda: edge.stopping).routes(),
            *(explorer.routes() if explorer is not None else ()),
        ]
    )
    return Gateway(app, cache, edge, sockets, streams)


def _files(
    settings: Settings, peers: Peers, rest: Rest, limits: RateLimits, pages: cors.Pages
) -> list[web.RouteDef]:
    """Return the routes that receive and send files."""
    downloads, renderer = Downloads(), Renderer(settings.support_address)
    key = settings.sessions.service_role_key
    exports = Exports(rest, peers, limits, ExportFiles(settings), downloads, key)
    routes = [
        *BatchSheets(rest, peers, settings).routes(),
        *BatchDownloads(rest, peers, renderer, downloads).routes(),
        *StatementDownloads(rest, peers, renderer, downloads).routes(),
        *exports.routes(),
    ]
    preflights = [web.options(route.path, pages.preflight) for route in routes]
    return [*routes, *preflights, *exports.links()]


def _explorer(settings: Settings) -> Explorer | None:
    if not settings.explorer:
        return None
    supabase = settings.supabase_public_url or settings.sessions.supabase_url
    return Explorer(PATH, supabase, settings.supabase_anon_key)
