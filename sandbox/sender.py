"""Sends the callbacks in the outbox to the receiver one after the other, and records the results."""

import asyncio
import base64
import contextlib
import hmac
from collections.abc import Callable
from hashlib import sha256

import aiohttp

from sandbox.state.records import Delivery
from sandbox.state.world import World

SIGNATURE_HEADER = "X-Signature-SHA256"


def signature(key: str, body: bytes, encoding: str) -> str:
    """Return the HMAC-SHA256 of the raw body as base64 or hex."""
    digest = hmac.digest(key.encode(), body, sha256)
    return digest.hex() if encoding == "hex" else base64.b64encode(digest).decode()


class Sender:
    """Sends pending callbacks in the background; call `wake` when some may have been added."""

    def __init__(self, world: World, commit: Callable[[], None]) -> None:
        self._world = world
        self._commit = commit
        self._news = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._newest_first = False
        self._session = aiohttp.ClientSession()
        self._task = asyncio.create_task(self._work())

    def wake(self) -> None:
        """Send callbacks that may have been added."""
        self._idle.clear()
        self._news.set()

    async def idle(self) -> None:
        """Wait until every callback that is to be sent was sent."""
        await self._idle.wait()

    async def close(self) -> None:
        """Stop; unsent callbacks stay pending in the outbox."""
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        await self._session.close()

    def release(self, *, newest_first: bool) -> None:
        """Send callbacks that were held back, optionally in reverse order."""
        self._newest_first = newest_first
        self._world.account.callbacks_held = False
        self.wake()

    def resend(self, delivery: Delivery) -> None:
        """Send a callback again, unchanged."""
        delivery.status = "pending"
        self.wake()

    async def _work(self) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            account = self._world.account
            for delivery in self._pending():
                if account.callbacks_held:
                    break
                if not account.callback_url:
                    delivery.status = "no-url"
                    continue
                await self._deliver(delivery, account.callback_url)
            self._commit()
            if not self._news.is_set():
                self._idle.set()

    def _pending(self) -> list[Delivery]:
        pending = [item for item in self._world.deliveries if item.status == "pending"]
        pending.sort(key=lambda item: item.sequence, reverse=self._newest_first)
        self._newest_first = False
        return pending

    async def _deliver(self, delivery: Delivery, url: str) -> None:
        delivery.url = url
        for _ in range(1 + self._world.switches.callback_retries):
            delivery.attempts += 1
            await self._post(delivery, url)
            if delivery.status == "delivered":
                return

    async def _post(self, delivery: Delivery, url: str) -> None:
        switches = self._world.switches
        body = delivery.body.encode()
        headers = {"Content-Type": "application/json"}
        if switches.callback_version == "V3":
            key = self._world.settings.api_key
            headers[SIGNATURE_HEADER] = signature(key, body, switches.callback_signature)
        timeout = aiohttp.ClientTimeout(total=switches.callback_timeout)
        try:
            async with self._session.post(
                url, data=body, headers=headers, timeout=timeout, allow_redirects=False
            ) as response:
                delivery.http_status = response.status
                accepted = 200 <= response.status < 300
                delivery.status = "delivered" if accepted else "failed"
                delivery.error = "" if accepted else f"answered {response.status}"
        except TimeoutError:
            delivery.status, delivery.error = "failed", "no response in time"
        except (aiohttp.ClientError, ValueError) as error:
            delivery.status, delivery.error = "failed", f"{type(error).__name__}: {error}"
