"""The HTTP door for the provider's callbacks: raw bytes in, verified, stored, then acknowledged."""

import logging

from aiohttp import web

from kit.db import Database
from kit.errors import Failure
from webhooks import inbox, signature
from webhooks.events import event_type
from webhooks.settings import Settings

logger = logging.getLogger(__name__)

PATH = "/webhooks/esim-go"
ABOUT = (
    "This address takes eSIM Go's callbacks: POST JSON, signed in the header X-Signature-SHA256.\n"
)
# What helps to understand a callback later. Anything else a sender adds is not kept.
KEPT_HEADERS = ("content-type", "user-agent", "x-signature-sha256", "x-request-id")


class Callbacks:
    """The routes; one object a process."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self._settings = settings
        self._database = database

    def app(self) -> web.Application:
        """An application that holds them."""
        app = web.Application(client_max_size=self._settings.max_body)
        app.add_routes(
            [
                web.post(PATH, self.receive),
                web.get(PATH, self.about),
                web.get("/healthz", self.alive),
                web.get("/readyz", self.ready),
            ]
        )
        return app

    async def receive(self, request: web.Request) -> web.Response:
        """200 only after the commit: what was acknowledged is stored."""
        if request.content_type != "application/json":
            return _refusal(415, "Send the callback as application/json")
        try:
            body = await request.read()
        except web.HTTPRequestEntityTooLarge:
            return _refusal(413, f"A callback has at most {self._settings.max_body} bytes")
        claimed = request.headers.get(signature.HEADER)
        signed = signature.is_valid(body, claimed, self._settings.keys)
        if not signed and (claimed or not self._settings.allow_unsigned):
            logger.warning("a callback was refused: %s", "bad signature" if claimed else "unsigned")
            return _refusal(401, "Invalid webhook signature")
        headers = {k.lower(): v for k, v in request.headers.items() if k.lower() in KEPT_HEADERS}
        callback = inbox.Callback(body, headers, event_type(body), signed)
        try:
            async with self._database.system() as connection:
                stored, new = await inbox.store(connection, callback, self._settings.dedupe_seconds)
        except Failure as failure:
            return _refusal(503, failure.message)
        logger.info("%s %s%s", callback.event_type, stored, "" if new else ", a repeat")
        return web.json_response({"received": True, "id": str(stored)})

    async def about(self, _request: web.Request) -> web.Response:
        """For people who open the address in a browser."""
        return web.Response(text=ABOUT)

    async def alive(self, _request: web.Request) -> web.Response:
        """The process runs."""
        return web.json_response({"status": "ok"})

    async def ready(self, _request: web.Request) -> web.Response:
        """Whether a callback could be stored now."""
        if await self._database.ready():
            return web.json_response({"status": "ok"})
        return web.json_response({"status": "unavailable", "database": "away"}, status=503)


def _refusal(status: int, message: str) -> web.Response:
    return web.json_response({"received": False, "error": message}, status=status)
