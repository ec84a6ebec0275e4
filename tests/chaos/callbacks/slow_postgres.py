"""A Unix socket in front of PostgreSQL's that delays every byte."""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

SOCKET = ".s.PGSQL.5432"
# Bytes of one read; large enough for a statement.
CHUNK = 64 * 1024


@asynccontextmanager
async def delayed(server: Path, milliseconds: float) -> AsyncIterator[Path]:
    """Yield a folder with a socket through which every round trip takes this much longer.

    The delay is on the way to the server, so that a commit is late and its response isn't.
    """
    folder = Path(tempfile.mkdtemp(prefix="esimgo-d-"))
    relays: set[asyncio.Task[None]] = set()

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        relays.add(task)
        task.add_done_callback(relays.discard)
        try:
            up_reader, up_writer = await asyncio.open_unix_connection(str(server / SOCKET))
        except OSError:
            writer.close()
            return
        ways = [
            asyncio.create_task(_pass_on(reader, up_writer, milliseconds / 1000)),
            asyncio.create_task(_pass_on(up_reader, writer, 0)),
        ]
        try:
            # When one side closes, the other must too: a killed client must not linger.
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            up_writer.close()
            writer.close()

    listening = await asyncio.start_unix_server(relay, str(folder / SOCKET))
    try:
        yield folder
    finally:
        listening.close()
        for task in list(relays):
            task.cancel()
        await asyncio.gather(*relays, return_exceptions=True)
        shutil.rmtree(folder, ignore_errors=True)


async def _pass_on(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seconds: float
) -> None:
    """Delay all data by the same time, in order."""
    clock = asyncio.get_running_loop().time
    held: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

    async def write() -> None:
        while True:
            due, chunk = await held.get()
            if (left := due - clock()) > 0:
                await asyncio.sleep(left)
            writer.write(chunk)
            await writer.drain()

    writing = asyncio.create_task(write())
    try:
        while chunk := await reader.read(CHUNK):
            held.put_nowait((clock() + seconds, chunk))
    except OSError:
        return
    finally:
        writing.cancel()
