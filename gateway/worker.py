"""One of several gateway processes on one port: `python -m gateway.worker NUMBER LINK SOCKET...`.

`gateway.workers` starts it, with LINK and the listening SOCKETs as descriptors that it inherits.
"""

import asyncio
import socket
import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from gateway.__main__ import serve, settle
from gateway.settings import Settings
from gateway.worker_link import Link
from kit import background, process
from kit.telemetry_settings import TelemetrySettings


async def work(
    link: Link, sockets: Sequence[socket.socket], settings: Settings, stop: asyncio.Event
) -> None:
    """Serves until `stop`, or until the link ends."""
    # Not `stop` itself: a signal that comes after it was set cuts short what runs, and managers of
    # services send theirs to a worker too, at the same time as to who then ends its link.
    ending = asyncio.Event()

    def started(port: int) -> None:
        settle(port)
        link.ready()

    waiting = [
        background.start(link.follow(), "follow the parent"),
        asyncio.create_task(stop.wait()),
    ]
    for task in waiting:
        task.add_done_callback(lambda _: ending.set())
    try:
        await serve(settings, ending, started, sockets)
    finally:
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)


def own(telemetry: TelemetrySettings, number: int) -> TelemetrySettings:
    """What all workers are told, as this one's: no two instances share an id."""
    given = telemetry.attributes.get("service.instance.id")
    if given is None:  # each makes its own up
        return telemetry
    instance = {"service.instance.id": f"{given}-{number}"}
    return replace(telemetry, attributes=telemetry.attributes | instance)


def main(number: int, link: int, *listening: int) -> None:
    """Runs the worker of that number until it is to stop."""
    surroundings, settings = process.fit("gateway", 9400, Settings.read, Settings.secrets)
    surroundings = replace(surroundings, telemetry=own(surroundings.telemetry, number))
    held = Link(link)
    sockets = [socket.socket(fileno=descriptor) for descriptor in listening]
    process.live(surroundings, settings, partial(work, held, sockets), held.shown)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
