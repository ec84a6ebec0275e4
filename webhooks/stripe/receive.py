"""The HTTP endpoint for Stripe's events: raw bytes are verified, stored, then acknowledged."""

import asyncio
import logging
from collections.abc import Sequence

from aiohttp import web

from kit.db.database import Database
from kit.errors import Failure
from kit.logs import request_id
from kit.logs.episodes import Episodes
from kit.telemetry import tracing
from webhooks.callback import UNKNOWN
from webhooks.deliver import DeliveryWorker
from webhooks.delivery_store import Due
from webhooks.intake import ANSWER_WITHIN
from webhooks.metrics import Metrics
from webhooks.stripe import event, signature, store
from webhooks.stripe.signature import HEADER, Verdict

logger = logging.getLogger(__name__)
episodes = Episodes(logger)

PATH = "/webhooks/stripe"
ABOUT = "This endpoint receives events of Stripe, signed in the header Stripe-Signature.\n"
# Status, message, and the result in metrics of each refusal by the signature.
REFUSALS = {
    Verdict.NOT_CONFIGURED: (
        401,
        "No secret of Stripe's events is configured here; set STRIPE_WEBHOOK_SECRET",
        "no secret",
    ),
    Verdict.UNSIGNED: (401, f"The header {HEADER} is missing", "unsigned"),
    Verdict.BAD_SIGNATURE: (401, "Invalid webhook signature", "bad signature"),
    Verdict.OLD_TIMESTAMP: (
        401,
        "The event was signed more than five minutes ago; send it again with a new signature",
        "old timestamp",
    ),
}


class StripeEvents:
    """The routes. Each new event that was committed is offered to `worker`.

    Which addresses may send is not limited here: WEBHOOKS_ALLOWED_NETWORKS are those of the eSIM provider.
    """

    def __init__(
        self,
        secrets: Sequence[str],
        database: Database,
        metrics: Metrics,
        worker: DeliveryWorker,
        *,
        body_seconds: float,
        max_body: int,
    ) -> None:
        self._secrets = secrets
        self._database = database
        self._metrics = metrics
        self._worker = worker
        self._body_seconds = body_seconds
        self._max_body = max_body

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post(PATH, self.receive),
            web.post(f"{PATH}/", self.receive),
            web.get(PATH, self.about),
        ]

    async def about(self, _request: web.Request) -> web.Response:
        """Explain the address to people who open it in a browser."""
        return web.Response(text=ABOUT)

    async def receive(self, request: web.Request) -> web.Response:
        """Answer 200 only after the commit; a refused event is not stored, and Stripe sends it again."""
        request_id.adopt_or_create(request.headers.get("X-Request-Id", ""))
        body = await self._read(request)
        if isinstance(body, web.Response):
            return body
        now = self._database.now().timestamp()
        verdict = signature.verify(body, request.headers.getall(HEADER, []), self._secrets, now)
        if verdict is not Verdict.VALID:
            status, message, result = REFUSALS[verdict]
            episodes.record(
                f"events of Stripe are refused: {result}",
                "an event of Stripe was refused: %s",
                result,
            )
            return self._refusal(status, verdict, message, result)
        try:
            received = event.read(body)
        except event.NotAnEvent as problem:
            episodes.record(
                "bodies signed by Stripe are refused",
                "a body that is signed by Stripe was refused: %s",
                problem,
            )
            return self._refusal(400, "NOT_AN_EVENT", f"Not an event: {problem}", "not an event")
        return await self._store(received, request)

    async def _read(self, request: web.Request) -> bytes | web.Response:
        try:
            async with asyncio.timeout(self._body_seconds):
                return await request.read()
        except TimeoutError:
            message = "The event did not arrive in time; send it again"
            return self._refusal(408, "TOO_SLOW", message, "too slow")
        except web.HTTPRequestEntityTooLarge:
            message = f"An event may have at most {self._max_body} bytes"
            return self._refusal(413, "TOO_LARGE", message, "too large")

    async def _store(self, received: event.StripeEvent, request: web.Request) -> web.Response:
        understood = event.understand(received.body)
        known = understood.type if understood.owner is not None else UNKNOWN
        tracing.set_attribute("esimgo.callback.type", known)
        agent = request.headers.get("User-Agent", "").encode(errors="backslashreplace").decode()
        try:
            # A repeat of an event whose commit was interrupted is the same event.
            async with asyncio.timeout(ANSWER_WITHIN), self._database.system() as connection:
                lease = self._worker.lease
                stored = await store.store(
                    connection, received, understood, {"user-agent": agent[:500]}, lease
                )
        except (Failure, TimeoutError) as error:
            episodes.record(
                "events of Stripe are not stored",
                "an event of Stripe was not stored, and its sender received 503: %s",
                error,
            )
            message = "The event could not be stored; send it again soon"
            return self._refusal(503, "NOT_STORED", message, "not stored")
        self._metrics.received(understood.type, "stored" if stored.is_new else "repeat")
        tracing.set_attribute("esimgo.event.id", str(stored.id))
        logger.info("%s %s%s", understood.type, stored.id, "" if stored.is_new else ", a repeat")
        if stored.is_new and understood.owner is not None:
            trace = tracing.from_traceparent(tracing.to_traceparent(tracing.current_context()))
            self._worker.offer(Due(stored.id, stored.received_at, received.body, 0, trace), lease)
        return web.json_response({"received": True, "id": str(stored.id)})

    def _refusal(self, status: int, code: str, message: str, result: str) -> web.Response:
        self._metrics.refused(result)
        body = {"received": False, "error": message, "code": code}
        return web.json_response(body, status=status)
