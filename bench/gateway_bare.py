"""A bare aiohttp answer, the mark of what Python can do: `python -m bench.gateway_bare PORT FOLDER`.

Each file of the folder is answered, byte by byte, to a POST to its name.
"""

import asyncio
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import uvloop
from aiohttp import web


async def answer(body: bytes, request: web.Request) -> web.Response:
    """Reads the request, as any answer has to, and nothing else."""
    await request.read()
    return web.Response(body=body, content_type="application/json")


async def serve(port: int, bodies: Mapping[str, bytes]) -> None:
    """Runs until it is killed."""
    app = web.Application()
    app.add_routes([web.post(f"/{name}", partial(answer, body)) for name, body in bodies.items()])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    files = Path(sys.argv[2]).iterdir()
    uvloop.run(serve(int(sys.argv[1]), {file.name: file.read_bytes() for file in files}))
