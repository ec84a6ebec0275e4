"""Subscribers to eSIMs over a WebSocket that reconnect when they are disconnected."""

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from tests.chaos.fleet.response_log import ResponseLog

PROTOCOL = "graphql-transport-ws"
FOLLOW = "subscription { myESIMsUpdated { id iccid status } }"
# Close codes that request a reconnect: going away, and service restart.
RECONNECT = frozenset({1001, 1012})
# Seconds before reconnecting, unless the close code requests it at once.
PAUSE = 0.5
# Seconds between a client's pings: nothing else detects that a quiet connection is dead.
HEARTBEAT = 4.0
# Seconds to wait for the first event of a new connection.
EVENT_TIMEOUT = 20.0


@dataclass(slots=True)
class Follower:
    """One subscriber, with the ICCIDs and close codes that it received.

    `gaps` are its interruptions in seconds.
    """

    http: aiohttp.ClientSession
    url: str
    token: str = field(repr=False)
    log: ResponseLog
    iccids: set[str] = field(default_factory=set)
    closes: list[int | None] = field(default_factory=list)
    gaps: list[float] = field(default_factory=list)
    received: asyncio.Event = field(default_factory=asyncio.Event)
    _disconnected_at: float | None = None
    _task: "asyncio.Task[None] | None" = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        while True:
            try:
                code = await self._connection()
                self.closes.append(code)
                outcome = f"closed {code}"
            except (aiohttp.ClientError, TimeoutError) as error:
                code, outcome = None, type(error).__name__
            self._disconnected_at = self._disconnected_at or time.monotonic()
            if code not in RECONNECT:
                self.log.add("subscription", outcome, 0)
                await asyncio.sleep(PAUSE)

    async def _connection(self) -> int | None:
        """Run one connection to its end and return its close code."""
        async with self.http.ws_connect(
            self.url, protocols=[PROTOCOL], heartbeat=HEARTBEAT
        ) as socket:
            payload = {"Authorization": f"Bearer {self.token}"}
            await socket.send_json({"type": "connection_init", "payload": payload})
            subscribe = {"id": "1", "type": "subscribe", "payload": {"query": FOLLOW}}
            first = True
            while True:
                async with asyncio.timeout(EVENT_TIMEOUT if first else None):
                    message = await socket.receive()
                if message.type is not aiohttp.WSMsgType.TEXT:
                    return socket.close_code
                frame = message.json()
                if frame["type"] == "connection_ack":
                    await socket.send_json(subscribe)
                elif frame["type"] == "next":
                    self._event(frame["payload"], first=first)
                    first = False
                elif frame["type"] == "error":
                    code = frame["payload"][0]["extensions"]["code"]
                    self.log.add("subscription", code, 0)
                    return None

    def _event(self, payload: Any, *, first: bool) -> None:
        now = time.monotonic()
        if errors := payload.get("errors"):
            self.log.add("subscription", errors[0]["extensions"]["code"], 0)
            return
        self.iccids |= {esim["iccid"] for esim in payload["data"]["myESIMsUpdated"]}
        gap = now - self._disconnected_at if first and self._disconnected_at is not None else 0.0
        if first and self._disconnected_at is not None:
            self.gaps.append(gap)
        self._disconnected_at = None
        self.log.add("subscription", "event", gap)
        self.received.set()
