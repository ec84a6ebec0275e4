"""A broken webhook process that acknowledges a callback before the commit.

It runs in place of `webhooks` to show that the harness detects the loss.
"""

import asyncio

from aiohttp import web

from kit.process.run import run
from webhooks import app
from webhooks.__main__ import serve
from webhooks.settings import Settings

# Seconds between the response and the commit: callbacks acknowledged within that time before a kill are lost.
COMMIT_DELAY = 2.0
_storing: set["asyncio.Task[web.Response]"] = set()
_receive = app.Callbacks.receive


async def _receive_later(self: app.Callbacks, request: web.Request) -> web.Response:
    await request.read()
    task = asyncio.create_task(_store(self, request))
    _storing.add(task)
    task.add_done_callback(_storing.discard)
    return web.json_response({"received": True})


async def _store(self: app.Callbacks, request: web.Request) -> web.Response:
    await asyncio.sleep(COMMIT_DELAY)
    return await _receive(self, request)


if __name__ == "__main__":
    app.Callbacks.receive = _receive_later  # type: ignore[method-assign] # the fault itself
    run("webhooks", 9401, Settings.read, Settings.secrets, serve)
