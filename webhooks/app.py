"""The HTTP door for the provider's callbacks: raw bytes in, verified, stored, then acknowledged."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler

from kit import http_metrics, http_tracing, request_id, tracing
from kit.db import Database
from kit.errors import Failure
from kit.log_episodes import Episodes
from webhooks import addresses, content, inbox, signature
from webhooks.callback import UNKNOWN, Owner
from webhooks.intake import Intake
from webhooks.metrics import Metrics
from webhooks.settings import Settings
from webhooks.understand import understand

logger = logging.getLogger(__name__)
episodes = Episodes(logger)

PATH = "/webhooks/esim-go"
ABOUT = (
    "This address takes eSIM Go's callbacks: POST JSON, signed in the header X-Signature-SHA256.\n"
)
# What helps to understand a callback later. Anything else a sender adds is not kept.
KEPT_HEADERS = (
    *("content-type", "content-encoding", "user-agent"),
    *("x-signature-sha256", "x-request-id"),
)


def refusal_body(message: str, code: str) -> dict[str, Any]:
    """The body of an error around the handlers: no such path, another method, or no HTTP at all."""
    return {"received": False, "error": message, "code": code}


class Callbacks:
    """The routes; one object a process. `stored` is told whose event was committed."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        metrics: Metrics,
        stored: Callable[[Owner], None],
    ) -> None:
        self._settings = settings
        self._database = database
        self._intake = Intake(database, settings.dedupe_seconds)
        self._metrics = metrics
        self._stored = stored
        self.stopping = False

    def app(self) -> web.Application:
        """An application that holds them."""
        app = web.Application(
            client_max_size=self._settings.max_body,
            middlewares=[http_metrics.measured(), self.last_of_connection],
        )
        http_tracing.trace_requests(app, (PATH,))
        app.add_routes(
            [
                web.post(PATH, self.receive),
                web.post(f"{PATH}/", self.receive),
                web.get(PATH, self.about),
                web.get("/healthz", self.alive),
                web.get("/readyz", self.ready),
            ]
        )
        return app

    @web.middleware
    async def last_of_connection(
        self, request: web.Request, handler: Handler
    ) -> web.StreamResponse:
        """A stopping process answers, and its sender's next callback goes to another one."""
        response = await handler(request)
        if self.stopping:
            response.force_close()
        return response

    async def receive(self, request: web.Request) -> web.Response:
        """Answer 200 only after the commit: what was acknowledged is stored.

        The signature alone decides who sent a callback. A sender that is known gets whatever it sent
        stored, also what nobody can read.
        """
        request_id.begin(request.headers.get("X-Request-Id", ""))
        if not self._is_allowed(request):
            episodes.met(
                "callbacks are refused: address",
                "a callback from an address that is not allowed was refused",
            )
            return self._refusal(403, "address", "Callbacks are not taken from this address")
        try:
            async with asyncio.timeout(self._settings.http.body_seconds):
                received = await request.read()
        except TimeoutError:
            return self._refusal(
                408, "too slow", "The callback did not arrive in time; send it again"
            )
        except web.HTTPRequestEntityTooLarge:
            most = self._settings.max_body
            return self._refusal(413, "too large", f"A callback has at most {most} bytes")
        encoding = request.headers.get("Content-Encoding", "")
        body = content.decode(received, encoding, self._settings.max_body)
        claimed = request.headers.get(signature.HEADER)
        # A sender signs what it writes, and something on the way may compress that.
        signed = signature.is_valid(received, claimed, self._settings.keys) or (
            body.best != received and signature.is_valid(body.best, claimed, self._settings.keys)
        )
        if not signed and (claimed or not self._settings.allow_unsigned):
            reason = "bad signature" if claimed else "unsigned"
            episodes.met(f"callbacks are refused: {reason}", "a callback was refused: %s", reason)
            return self._refusal(401, reason, "Invalid webhook signature")
        headers = {
            # Bytes that are no text came as lone surrogates, which jsonb refuses.
            name: request.headers[name].encode(errors="backslashreplace").decode()
            for name in KEPT_HEADERS
            if name in request.headers
        }
        understood = understand(body.best)
        # Types that nobody knows are the sender's own words.
        known = understood.type if understood.owner is not None else UNKNOWN
        tracing.tell("esimgo.callback.type", known)
        callback = inbox.Callback(body.best, headers, signed, understood, tracing.here())
        try:
            stored, new = await self._intake.store(callback)
        except (Failure, TimeoutError) as error:
            episodes.met(
                "callbacks are not stored",
                "a callback was not stored, and its sender got 503: %s",
                error,
            )
            words = (
                error.message
                if isinstance(error, Failure)
                else "The callback was not stored in time; send it again soon"
            )
            return self._refusal(503, "not stored", words)
        self._metrics.received(understood.type, "stored" if new else "repeat")
        tracing.tell("esimgo.event.id", str(stored))
        logger.info("%s %s%s", understood.type, stored, "" if new else ", a repeat")
        if new and understood.owner is not None:
            self._stored(understood.owner)
        elif new:
            episodes.met(
                "callbacks are kept and handed to nobody",
                "%s is kept and handed to nobody: %s",
                stored,
                understood.problem,
            )
        return web.json_response({"received": True, "id": str(stored)})

    def _is_allowed(self, request: web.Request) -> bool:
        settings = self._settings
        forwarded = ",".join(request.headers.getall("X-Forwarded-For", ()))
        sender = addresses.sender(request.remote, forwarded, settings.trusted_proxies)
        return addresses.is_allowed(sender, settings.allowed_networks)

    def _refusal(self, status: int, result: str, message: str) -> web.Response:
        self._metrics.refused(result)
        return web.json_response({"received": False, "error": message}, status=status)

    async def about(self, _request: web.Request) -> web.Response:
        """For people who open the address in a browser."""
        return web.Response(text=ABOUT)

    async def alive(self, _request: web.Request) -> web.Response:
        """The process runs and takes callbacks."""
        if self.stopping:
            return web.json_response({"status": "stopping"}, status=503)
        return web.json_response({"status": "ok"})

    async def ready(self, _request: web.Request) -> web.Response:
        """Whether a callback could be stored now."""
        if self.stopping:
            return web.json_response({"status": "stopping"}, status=503)
        reason = await self._database.writes.check()
        if reason is None:
            return web.json_response({"status": "ok"})
        return web.json_response({"status": "unavailable", "database": reason}, status=503)
