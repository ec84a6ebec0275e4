"""Several gateway processes on one port: starts them, starts those again that end, and stops all together.

They inherit one listening socket, so that whoever is free takes the next connection, and what waits in its
queue outlives a worker. A socket for each (SO_REUSEPORT) loses the queue of one that dies.
"""

import asyncio
import logging
import signal
import socket
import sys
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager, suppress

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest

from gateway import worker_metrics
from gateway.settings import Settings
from gateway.worker_link import Hold
from kit import background, metrics_endpoint
from kit import listening as kit_listening

logger = logging.getLogger(__name__)

# Exit status by which a process says that its settings are wrong: trying again can't help.
UNFIT = 2
# A worker that is still starting ends by the signal itself, when a manager of services sends it to all.
WELL = (0, -signal.SIGTERM)
# Connections that wait to be taken, as aiohttp has it for one process.
BACKLOG = 128
# Seconds before a worker that ended is started again; doubled each time up to the last.
FIRST_DELAY = 0.5
LAST_DELAY = 30.0
# A worker that ran so many seconds was well: its next end counts as the first one.
STEADY = 30.0
# A worker that gave no sign of life between so many looks, one each LOOK_EVERY seconds, answers nobody
# and is killed. Looks are counted, not time: where we ourselves were held up, so was the worker.
LOOKS = 10
LOOK_EVERY = 3.0
# Seconds beyond what a stopping worker may take; what hasn't ended by then never will.
LEEWAY = 15.0


class Workers:
    """All of them; one object a process. `status` is this process's exit status once `keep` returned.

    `patience` is how many seconds a worker that was asked to stop may take.
    """

    def __init__(self, settings: Settings, patience: float, look_every: float = LOOK_EVERY) -> None:
        self._settings = settings
        self._workers = [
            Worker(number, patience + LEEWAY, look_every)
            for number in range(1, settings.processes + 1)
        ]
        self.status = 0

    async def keep(self, settings: Settings, stop: asyncio.Event) -> None:
        """Keeps them running until `stop`, and then until the last one has finished its requests."""
        with kit_listening.at(settings.host, settings.port, "GATEWAY"):
            sockets = listening(settings.host, settings.port)
        limited = settings.defence.user_rate or settings.defence.address_rate
        if limited and settings.redis_url is None:
            logger.warning(
                "rate limits: without REDIS_URL each of the %d processes counts for itself, so that who"
                " uses many connections may ask so many times as often",
                settings.processes,
            )
        told = background.start(self._tell(sockets[0].getsockname()[1]), "announce the gateway")
        ending = asyncio.create_task(stop.wait())
        kept = [asyncio.create_task(worker.keep(sockets, stop)) for worker in self._workers]
        try:
            # None of them ends before it is asked to, but for one whose settings are wrong.
            await asyncio.wait({ending, *kept}, return_when=asyncio.FIRST_COMPLETED)
            stop.set()
            for one in sockets:
                one.close()  # with the workers' own the port is closed
            self.status = max(await asyncio.gather(*kept))
        finally:
            for task in (told, ending, *kept):
                task.cancel()
            await asyncio.wait({told, ending, *kept})

    async def _tell(self, port: int) -> None:
        await asyncio.gather(*(worker.ready.wait() for worker in self._workers))
        host, number = self._settings.host, len(self._workers)
        logger.info("gateway ready on http://%s:%d/graphql: %d processes", host, port, number)

    def shown(
        self, registry: CollectorRegistry, host: str, port: int
    ) -> AbstractAsyncContextManager[None]:
        """Serves the metrics of all, and this process's own, at one address.

        While no worker can tell its own, whoever asks gets 503, as from a process that is down.
        """

        async def show() -> bytes:
            found = await asyncio.gather(*(worker.metrics() for worker in self._workers))
            if not any(found):
                raise web.HTTPServiceUnavailable(text="No worker answers now; see the log")
            texts = {"parent": generate_latest(registry).decode()}
            texts |= {str(w.number): text for w, text in zip(self._workers, found, strict=True)}
            return worker_metrics.together(texts)

        return metrics_endpoint.shown(show, host, port)


class Worker:
    """One process after the other under one number."""

    def __init__(self, number: int, patience: float, look_every: float) -> None:
        self.number = number
        self.ready = asyncio.Event()
        self._patience = patience
        self._look_every = look_every
        self._hold: Hold | None = None
        self._was_ready = False

    async def keep(self, sockets: Sequence[socket.socket], stop: asyncio.Event) -> int:
        """Keeps it running until `stop`; gives 0, or an exit status for how it ended badly."""
        clock = asyncio.get_running_loop().time
        delay = FIRST_DELAY
        while not stop.is_set():
            began = clock()
            try:
                status = await self._live(sockets, stop)
                how = end(status)
            except OSError as error:  # no memory, no process left, our Python removed
                status, how = 1, f"could not be started ({error})"
            if stop.is_set():
                return 0 if status in WELL else 1
            if status == UNFIT and not self._was_ready:
                return UNFIT  # it said why
            if clock() - began >= STEADY:
                delay = FIRST_DELAY
            logger.error("worker %d %s; starting it again in %g s", self.number, how, delay)
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), delay)
            delay = min(delay * 2, LAST_DELAY)
        return 0

    async def metrics(self) -> str:
        """In Prometheus's text format; nothing of a worker that can't tell now."""
        if self._hold is None or not self._hold.ready.is_set():
            return ""
        try:
            return await self._hold.metrics()
        except TimeoutError:
            logger.warning("worker %d is too busy to give its metrics", self.number)
            return ""

    async def _live(self, sockets: Sequence[socket.socket], stop: asyncio.Event) -> int:
        """One life; gives its exit status."""
        process, self._hold = await start(self.number, sockets)
        logger.info("worker %d is process %d", self.number, process.pid)
        exited = asyncio.create_task(process.wait())
        others = [
            background.start(self._hold.follow(), "follow a worker"),
            background.start(self._look(self._hold, process), "watch a worker"),
            asyncio.create_task(stop.wait()),
        ]
        try:
            await asyncio.wait({exited, others[-1]}, return_when=asyncio.FIRST_COMPLETED)
            self._hold.close()  # which asks it to stop
            await asyncio.wait({exited}, timeout=self._patience)
            if not exited.done():
                logger.error("worker %d did not stop in time: killed", self.number)
                process.kill()
            return await exited
        finally:
            if not exited.done():  # we are in a hurry
                with suppress(ProcessLookupError):
                    process.kill()
                await exited
            self._hold = None
            for task in others:
                task.cancel()
            await asyncio.wait(others)

    async def _look(self, hold: Hold, process: asyncio.subprocess.Process) -> None:
        await hold.ready.wait()
        if self._was_ready:
            logger.info("worker %d is back", self.number)
        self._was_ready = True
        self.ready.set()
        quiet = 0
        while quiet < LOOKS:
            hold.heard.clear()
            await asyncio.sleep(self._look_every)
            quiet = 0 if hold.heard.is_set() else quiet + 1
        logger.error("worker %d gives no sign of life: killed", self.number)
        with suppress(ProcessLookupError):
            process.kill()


def listening(host: str, port: int) -> list[socket.socket]:
    """A socket for each address of the host, as `localhost` may have two; raises OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    return [
        socket.create_server(address, family=family, backlog=BACKLOG)
        for family, _, _, _, address in dict.fromkeys(found)
    ]


async def start(
    number: int, sockets: Sequence[socket.socket]
) -> tuple[asyncio.subprocess.Process, Hold]:
    """A worker, started in a session of its own, as Ctrl-C is for us; and what we hold it by."""
    ours, theirs = socket.socketpair()
    descriptors = [theirs.fileno(), *(one.fileno() for one in sockets)]
    with theirs:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "gateway.worker", str(number), *map(str, descriptors)),
            stdin=asyncio.subprocess.DEVNULL,
            pass_fds=descriptors,
            start_new_session=True,
        )
    return process, await Hold.open(ours)


def end(status: int) -> str:
    """An exit status in words."""
    return f"was ended by signal {-status}" if status < 0 else f"ended with status {status}"
