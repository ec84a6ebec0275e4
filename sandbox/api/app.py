"""HTTP handler of the provider's paths: rate limit, key, faults, then the route table."""

import asyncio
import hmac
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

from aiohttp import web

from sandbox.api.call import Answer, Call
from sandbox.api.faults import Fault, Faults, bomb
from sandbox.api.handlers import HANDLERS
from sandbox.api.limiter import Limiter, Verdict
from sandbox.api.reading import read_body, read_query
from sandbox.api.routing import Found, find
from sandbox.contract.operation import JSON, PLAIN
from sandbox.state.clock import wall_clock
from sandbox.state.refusal import Refusal
from sandbox.state.timers import settle
from sandbox.state.world import World

BASE_PATH = "/v2.5"
# Number of requests that the admin API shows.
LOG_LENGTH = 1000
# Statuses of POST /orders that the provider documents as plain text.
TEXT_STATUSES = (400, 401, 503)

log = logging.getLogger("sandbox")


@dataclass(frozen=True, slots=True)
class Logged:
    """A request in the admin API's log, without headers and bodies, as these contain secrets."""

    at: datetime
    method: str
    path: str
    query: str
    operation: str
    status: int
    fault: int | None


class Provider:
    """Handles the provider's paths for one world; `commit` saves changes."""

    def __init__(self, world: World, commit: Callable[[], None]) -> None:
        self.world = world
        self.limiter = Limiter(wall_clock)
        self.faults = Faults()
        self.log: deque[Logged] = deque(maxlen=LOG_LENGTH)
        self._commit = commit

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Handle any request below the base path."""
        found = find(request.method, request.rel_url.raw_path.removeprefix(BASE_PATH))
        operation = found.operation.id if found.operation else ""
        verdict = self._spend(request, operation)
        fault: Fault | None = None
        if verdict.retry_after is not None:
            answer = Answer({"message": "Rate limit exceeded"}, 429)
        elif not self._key_fits(request):
            status = self.world.switches.bad_key_on_orders if operation == "createOrder" else 403
            answer = self._failed(Refusal(status, "access denied"), operation)
        else:
            fault = self.faults.strike(request.method, request.path.removeprefix(BASE_PATH))

            async def run() -> Answer:
                return await self._run(request, found)

            answer = await (run() if fault is None else self._hit(fault, run, request))
        self._note(request, operation, answer, fault)
        kind = answer.content_type
        charset = "" if isinstance(answer.body, bytes) else "; charset=utf-8"
        return web.Response(
            body=answer.encoded(),
            status=answer.status,
            headers={
                **verdict.headers(),
                "Content-Type": kind if kind == JSON else kind + charset,
                **answer.headers,
            },
        )

    def _spend(self, request: web.Request, operation: str) -> Verdict:
        switches = self.world.switches
        cost = switches.token_costs.get(operation, 1)
        return self.limiter.spend(request.remote or "", cost, switches.tokens_per_second)

    def _key_fits(self, request: web.Request) -> bool:
        given = request.headers.get("X-API-Key", "")
        return hmac.compare_digest(
            given.encode(errors="surrogateescape"), self.world.settings.api_key.encode()
        )

    async def _run(self, request: web.Request, found: Found) -> Answer:
        operation = found.operation
        if operation is None:
            return self._no_route(found)
        try:
            raw = await request.read()
        except web.HTTPRequestEntityTooLarge:
            return Answer({"message": "the body exceeds the maximum size of a request"}, 413)
        try:
            call = Call(
                world=self.world,
                at=settle(self.world),
                path=found.parameters,
                query=read_query(operation, request.query),
                body=read_body(operation, raw),
                accept=request.headers.get("Accept", ""),
                source_ip=request.remote or "",
            )
            return HANDLERS[operation.id](call)
        except Refusal as refusal:
            return self._failed(refusal, operation.id)
        finally:
            self._commit()

    def _no_route(self, found: Found) -> Answer:
        if found.allowed:
            allowed = ", ".join(found.allowed)
            return Answer(
                {"message": f"this path supports {allowed}"}, 405, headers={"Allow": allowed}
            )
        status = self.world.switches.unknown_route
        return Answer({"message": "Not Found" if status == 404 else "access denied"}, status)

    def _failed(self, refusal: Refusal, operation: str) -> Answer:
        headers = {} if refusal.retry_after is None else {"Retry-After": str(refusal.retry_after)}
        as_text = (
            operation == "createOrder"
            and self.world.switches.order_errors == "text"
            and refusal.status in TEXT_STATUSES
        )
        if as_text:
            return Answer(refusal.message, refusal.status, PLAIN, headers)
        return Answer({"message": refusal.message}, refusal.status, JSON, headers)

    async def _hit(
        self, fault: Fault, run: Callable[[], Awaitable[Answer]], request: web.Request
    ) -> Answer:
        # Read before any delay, so that the request takes effect even if its client disconnects.
        await request.read()
        if not fault.drop and fault.status is None:
            if fault.effect == "none":
                await asyncio.sleep(fault.delay_seconds)
                return await run()
            answer = await run()
            await asyncio.sleep(fault.delay_seconds)
            return answer
        if fault.effect == "done":
            await run()
        await asyncio.sleep(fault.delay_seconds)
        if fault.drop and request.transport is not None:
            request.transport.abort()
        status = fault.status or 502  # the connection is closed, so no client reads the answer
        if fault.bomb_mb:
            headers = {**fault.headers, "Content-Encoding": "gzip"}
            packed = await asyncio.to_thread(bomb, fault.bomb_mb)
            return Answer(packed, status, fault.content_type, headers)
        body = {"message": "fault on request"} if fault.body is None else fault.body
        if isinstance(body, str):  # sent unchanged, so that it can be invalid JSON
            body = body.encode()
        return Answer(body, status, fault.content_type, fault.headers)

    def _note(
        self, request: web.Request, operation: str, answer: Answer, fault: Fault | None
    ) -> None:
        self.log.append(
            Logged(
                at=self.world.clock.now(),
                method=request.method,
                path=request.path,
                query=request.query_string,
                operation=operation,
                status=answer.status,
                fault=fault.id if fault else None,
            )
        )
        log.debug("%s %s %s %s", request.method, operation or "-", answer.status, fault or "")
