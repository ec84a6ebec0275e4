"""The HTTP endpoints for callbacks: raw bytes are verified, stored, then acknowledged."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler

from kit.db.database import Database
from kit.errors import Failure
from kit.http import metrics as http_metrics
from kit.http import tracing as http_tracing
from kit.logs import request_id
from kit.logs.episodes import Episodes
from kit.net import client_address
from kit.telemetry import tracing
from webhooks import content, signature, store
from webhooks.callback import UNKNOWN, Owner
from webhooks.deliver import DeliveryWorker
from webhooks.intake import Intake
from webhooks.metrics import Metrics
from webhooks.settings import Settings
from webhooks.stripe import receive as stripe
from webhooks.stripe.receive import StripeEvents
from webhooks.understand import understand

logger = logging.getLogger(__name__)
episodes = Episodes(logger)

PATH = "/webhooks/esim-go"
ABOUT = (
    "This endpoint receives callbacks of eSIM Go: POST JSON, signed in the header"
    " X-Signature-SHA256.\n"
)
# Headers that help to understand a callback later; no others are stored.
STORED_HEADERS = (
    *("content-type", "content-encoding", "user-agent"),
    *("x-signature-sha256", "x-request-id"),
)


def refusal_body(message: str, code: str) -> dict[str, Any]:
    """Return the body of an error outside the handlers, such as an unknown path or malformed HTTP."""
    return {"received": False, "error": message, "code": code}


class Callbacks:
    """The routes. `stored` is called with the owner of each callback that was committed.

    `payments` delivers the payment provider's events.
    """

    def __init__(
        self,
        settings: Settings,
        database: Database,
        metrics: Metrics,
        stored: Callable[[Owner], None],
        payments: DeliveryWorker,
    ) -> None:
        self._stripe = StripeEvents(
            settings.stripe_secrets,
            database,
            metrics,
            payments,
            body_seconds=settings.http.body_seconds,
            max_body=settings.max_body,
        )
        self._settings = settings
        self._database = database
        self._intake = Intake(database, settings.dedupe_seconds)
        self._metrics = metrics
        self._stored = stored
        self.stopping = False

    def app(self) -> web.Application:
        app = web.Application(
            client_max_size=self._settings.max_body,
            middlewares=[http_metrics.measured(), self.last_of_connection],
        )
        http_tracing.trace_requests(app, (PATH, stripe.PATH))
        app.add_routes(
            [
                web.post(PATH, self.receive),
                web.post(f"{PATH}/", self.receive),
                web.get(PATH, self.about),
                *self._stripe.routes(),
                web.get("/healthz", self.alive),
                web.get("/readyz", self.ready),
            ]
        )
        return app

    @web.middleware
    async def last_of_connection(
        self, request: web.Request, handler: Handler
    ) -> web.StreamResponse:
        """Close the connection of a stopping process, so that the next callback goes to another one."""
        response = await handler(request)
        if self.stopping:
            response.force_close()
        return response

    async def receive(self, request: web.Request) -> web.Response:
        """Answer 200 only after the commit: an acknowledged callback is stored.

        Only the signature proves who sent a callback. Every accepted body is stored, even if it is not
        understood.
        """
        request_id.adopt_or_create(request.headers.get("X-Request-Id", ""))
        received = await self._read(request)
        if isinstance(received, web.Response):
            return received
        encoding = request.headers.get("Content-Encoding", "")
        body = content.decode(received, encoding, self._settings.max_body)
        signed = self._is_signed(request, body)
        if isinstance(signed, web.Response):
            return signed
        headers = {
            # aiohttp decodes header bytes that are not UTF-8 to lone surrogates, which jsonb rejects.
            name: request.headers[name].encode(errors="backslashreplace").decode()
            for name in STORED_HEADERS
            if name in request.headers
        }
        understood = understand(body.best)
        # An unknown type is arbitrary text of the sender, which must not become a span attribute.
        known = understood.type if understood.owner is not None else UNKNOWN
        tracing.set_attribute("esimgo.callback.type", known)
        return await self._store(
            store.Callback(body.best, headers, signed, understood, tracing.current_context())
        )

    async def _read(self, request: web.Request) -> bytes | web.Response:
        """Return the body, or the refusal of a request whose sender or body is not accepted."""
        if not self._is_allowed(request):
            episodes.record(
                "callbacks are refused: IP address",
                "a callback from an IP address that is not allowed was refused",
            )
            message = "Callbacks from this IP address are not accepted"
            return self._refusal(403, "ADDRESS_NOT_ALLOWED", message, "address")
        try:
            async with asyncio.timeout(self._settings.http.body_seconds):
                return await request.read()
        except TimeoutError:
            message = "The callback did not arrive in time; send it again"
            return self._refusal(408, "TOO_SLOW", message, "too slow")
        except web.HTTPRequestEntityTooLarge:
            message = f"A callback may have at most {self._settings.max_body} bytes"
            return self._refusal(413, "TOO_LARGE", message, "too large")

    def _is_signed(self, request: web.Request, body: content.Content) -> bool | web.Response:
        """Return whether the body is signed, or the refusal of one whose signature is wrong or missing."""
        claimed = request.headers.get(signature.HEADER)
        # The sender signs the uncompressed body, and a proxy may compress it on the way.
        signed = signature.is_valid(body.received, claimed, self._settings.keys) or (
            body.best != body.received
            and signature.is_valid(body.best, claimed, self._settings.keys)
        )
        if signed or (not claimed and self._settings.allow_unsigned):
            return signed
        reason = "bad signature" if claimed else "unsigned"
        episodes.record(f"callbacks are refused: {reason}", "a callback was refused: %s", reason)
        code = "BAD_SIGNATURE" if claimed else "UNSIGNED"
        return self._refusal(401, code, "Invalid webhook signature", reason)

    async def _store(self, callback: store.Callback) -> web.Response:
        understood = callback.understood
        try:
            stored, new = await self._intake.store(callback)
        except (Failure, TimeoutError) as error:
            episodes.record(
                "callbacks are not stored",
                "a callback was not stored, and its sender received 503: %s",
                error,
            )
            message = (
                error.message
                if isinstance(error, Failure)
                else "The callback could not be stored in time; send it again soon"
            )
            return self._refusal(503, "NOT_STORED", message, "not stored")
        self._metrics.received(understood.type, "stored" if new else "repeat")
        tracing.set_attribute("esimgo.event.id", str(stored))
        logger.info("%s %s%s", understood.type, stored, "" if new else ", a repeat")
        if new and understood.owner is not None:
            self._stored(understood.owner)
        elif new:
            episodes.record(
                "callbacks are stored and not delivered",
                "%s is stored and not delivered, as it has no owner: %s",
                stored,
                understood.problem,
            )
        return web.json_response({"received": True, "id": str(stored)})

    def _is_allowed(self, request: web.Request) -> bool:
        settings = self._settings
        if not settings.allowed_networks:
            return True  # the signature decides
        forwarded = tuple(request.headers.getall("X-Forwarded-For", ()))
        return client_address.within(
            request.remote, forwarded, settings.trusted_proxies, settings.allowed_networks
        )

    def _refusal(self, status: int, code: str, message: str, result: str) -> web.Response:
        self._metrics.refused(result)
        return web.json_response(refusal_body(message, code), status=status)

    async def about(self, _request: web.Request) -> web.Response:
        """Explain the address to people who open it in a browser."""
        return web.Response(text=ABOUT)

    async def alive(self, _request: web.Request) -> web.Response:
        """Return 200 while the process runs and accepts callbacks."""
        if self.stopping:
            return web.json_response({"status": "stopping"}, status=503)
        return web.json_response({"status": "ok"})

    async def ready(self, _request: web.Request) -> web.Response:
        """Return 200 if a callback could be stored now."""
        if self.stopping:
            return web.json_response({"status": "stopping"}, status=503)
        reason = await self._database.writes.check()
        if reason is None:
            return web.json_response({"status": "ok"})
        return web.json_response({"status": "unavailable", "database": reason}, status=503)
