"""Delivers events to the webhook endpoint, and executes what is due by the clock."""

import asyncio
import contextlib
import json
import logging
import time

import aiohttp

from sandbox.payments.state.events import Delivery
from sandbox.payments.state.world import World
from sandbox.payments.webhooks.signing import HEADER, header

logger = logging.getLogger(__name__)

# Seconds for the endpoint's answer; Stripe publishes no number.
TIMEOUT = aiohttp.ClientTimeout(total=10)
# An API answer waits this long for its events in the mode `before_answer`.
LONGEST_WAIT = 10.0


class Sender:
    """Sends events one after the other in the background; call `wake` when something may be due."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._news = asyncio.Event()
        self._idle = asyncio.Event()
        self._session = aiohttp.ClientSession(
            timeout=TIMEOUT, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False
        )
        world.log.on_news = self.wake
        self._task = asyncio.create_task(self._work())

    def wake(self) -> None:
        """Send events that may have become due."""
        self._idle.clear()
        self._news.set()

    async def idle(self) -> None:
        """Wait until all events that are due were sent."""
        await self._idle.wait()

    async def close(self) -> None:
        """Stop; unsent events are lost with the state."""
        self._world.log.on_news = lambda: None
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        await self._session.close()

    async def deliver_now(self, request_id: str | None) -> None:
        """Send the events of one request that are due, and wait for the answers."""
        chosen = [one for one in self._ready() if one.event.request == request_id]
        for delivery in chosen:
            delivery.status = "reserved"
        try:
            async with asyncio.timeout(LONGEST_WAIT):
                for delivery in chosen:
                    await self._attempt(delivery)
        except TimeoutError:
            logger.info("events of %s were not answered in time", request_id)
        finally:
            for delivery in chosen:
                if delivery.status == "reserved":
                    delivery.status = "pending"
            self.wake()

    async def _work(self) -> None:
        while True:
            self._news.clear()
            self._world.run_due()
            if ready := self._ready():
                for delivery in ready:
                    if not self._world.log.mode.held and delivery.status == "pending":
                        await self._attempt(delivery)
                continue
            if not self._news.is_set() and not self._in_flight():
                self._idle.set()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait(), self._seconds_until_due())

    def _ready(self) -> list[Delivery]:
        log, now = self._world.log, self._world.clock.exact()
        if log.mode.held:
            return []
        ready = [one for one in log.waiting.values() if one.due <= now and one.status == "pending"]
        if log.mode.shuffle:
            log.random.shuffle(ready)
        return ready

    def _in_flight(self) -> bool:
        """Return true while a request waits for deliveries; it wakes this task afterwards."""
        waiting = self._world.log.waiting.values()
        return any(one.status in ("reserved", "sending") for one in waiting)

    def _seconds_until_due(self) -> float | None:
        clock, log = self._world.clock, self._world.log
        if clock.frozen_at is not None:
            return None
        moments = [] if log.mode.held else [one.due for one in log.waiting.values()]
        if (timer := self._world.timers.next_at()) is not None:
            moments.append(timer)
        # At least a millisecond, as a wait may end slightly early.
        return max(min(moments) - clock.exact(), 0.001) if moments else None

    async def _attempt(self, delivery: Delivery) -> None:
        log, url = self._world.log, self._world.webhook_url
        if not url:
            delivery.status = "no-url"
            log.waiting.pop(delivery.sequence, None)
            return
        delivery.status = "sending"
        delivery.attempts += 1
        try:
            accepted = await self._post(delivery, url)
        except asyncio.CancelledError:
            # The request that waited for this delivery ended; the background task sends it again.
            delivery.status = "pending"
            self.wake()
            raise
        if accepted:
            delivery.status, delivery.error = "delivered", ""
            log.waiting.pop(delivery.sequence, None)
            return
        waits = log.mode.retry_seconds
        if delivery.attempts <= len(waits):
            delivery.status = "pending"
            delivery.due = self._world.clock.exact() + waits[delivery.attempts - 1]
        else:
            delivery.status = "failed"
            log.waiting.pop(delivery.sequence, None)

    async def _post(self, delivery: Delivery, url: str) -> bool:
        event = delivery.event
        body = json.dumps(event.to_json(self._world.log.pending_of(event) + 1), indent=2).encode()
        # The machine's time, as receivers compare it with theirs; each attempt has a new one.
        signed = header(
            self._world.webhook_secrets,
            int(time.time()),
            body,
            decoy=self._world.log.mode.decoy,
        )
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
            HEADER: signed,
        }
        try:
            async with self._session.post(
                url, data=body, headers=headers, allow_redirects=False
            ) as response:
                delivery.http_status = response.status
                delivery.error = f"answered {response.status}"
                return 200 <= response.status < 300
        except TimeoutError:
            delivery.http_status, delivery.error = None, "no response in time"
        except (aiohttp.ClientError, ValueError) as error:
            delivery.http_status, delivery.error = None, f"{type(error).__name__}: {error}"
        return False
