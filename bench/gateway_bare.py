"""A bare aiohttp server as an upper bound: `python -m bench.gateway_bare PORT FOLDER`.

A POST to the name of a file in the folder is answered with its content.
"""

import asyncio
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import uvloop
from aiohttp import web


async def answer(body: bytes, request: web.Request) -> web.Response:
    """Read the request and answer."""
    await request.read()
    return web.Response(body=body, content_type="application/json")


async def serve(port: int, bodies: Mapping[str, bytes]) -> None:
    """Serve until killed."""
    app = web.Application()
    app.add_routes([web.post(f"/{name}", partial(answer, body)) for name, body in bodies.items()])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    files = Path(sys.argv[2]).iterdir()
    uvloop.run(serve(int(sys.argv[1]), {file.name: file.read_bytes() for file in files}))
