"""A process that is restarted immediately whenever it dies, on the same port."""

import asyncio
import signal
from collections import deque
from collections.abc import Callable
from contextlib import suppress

from cli.local.supervisor import Program, pass_on, spawn

# Lines of each process stored to explain a failure.
KEPT_LINES = 400
# Seconds until a process must answer; a start takes two on an idle machine.
PATIENCE = 90.0
# Seconds between two health checks.
PROBE_EVERY = 0.05
# Seconds that a process has to stop gracefully.
GRACE = 10.0


class Kept:
    """One supervised process until `stop`; `say` receives its lines.

    `status` is the latest exit status, and `ends` counts the unexpected exits.
    """

    def __init__(self, program: Program, say: Callable[[str], None] = lambda line: None) -> None:
        self.program = program
        self.status: int | None = None
        self.ends = 0
        self._say = say
        self.ready = asyncio.Event()
        self.lines: deque[str] = deque(maxlen=KEPT_LINES)
        self._process: asyncio.subprocess.Process | None = None
        self._stopping = False
        self._free = asyncio.Event()
        self._free.set()
        self._task = asyncio.create_task(self._keep(), name=program.name)

    async def answers(self) -> None:
        """Return when it answers; raises RuntimeError with its last lines if it doesn't start."""
        try:
            async with asyncio.timeout(PATIENCE):
                await self.ready.wait()
        except TimeoutError as error:
            last = "\n".join(list(self.lines)[-20:])
            raise RuntimeError(f"{self.program.name} does not answer:\n{last}") from error

    def kill(self) -> bool:
        """Kill it with SIGKILL; False if it isn't running at the moment."""
        if self._process is None or self._process.returncode is not None:
            return False
        self.ready.clear()
        with suppress(ProcessLookupError):
            self._process.kill()
        return True

    async def hold(self, number: signal.Signals | None = None) -> None:
        """Stop it with the program's usual signal or the given one, until `let_go`."""
        self._free.clear()
        self._end(number)
        while self._process is not None:
            await asyncio.sleep(PROBE_EVERY)

    async def let_go(self) -> None:
        """Start it again after `hold`."""
        self._free.set()
        await self.answers()

    def freeze(self) -> None:
        """Suspend it until `thaw`, as a process that hangs."""
        self._end(signal.SIGSTOP)

    def thaw(self) -> None:
        """Resume it after `freeze`."""
        self._end(signal.SIGCONT)

    async def stop(self, grace: float = GRACE) -> None:
        """Stop it gracefully, and kill it after `grace` seconds."""
        self._stopping = True
        self._free.set()
        self._end()
        done, _ = await asyncio.wait({self._task}, timeout=grace)
        if not done:
            self.kill()
            await self._task

    def _end(self, number: signal.Signals | None = None) -> None:
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.send_signal(number or self.program.stop_signal)

    async def _keep(self) -> None:
        while True:
            await self._free.wait()
            if self._stopping:
                return
            self._process = await spawn(self.program)
            hearing = asyncio.create_task(
                pass_on(self._process.stdout, self.program.name, lambda _, line: self._hear(line))
            )
            probing = asyncio.create_task(self._probe())
            self.status = await self._process.wait()
            if self._free.is_set() and not self._stopping:
                self.ends += 1
            probing.cancel()
            self._process = None
            self.ready.clear()
            await asyncio.wait({hearing}, timeout=1)
            hearing.cancel()

    def _hear(self, line: str) -> None:
        self.lines.append(line)
        self._say(line)

    async def _probe(self) -> None:
        while not await self.program.ready():
            await asyncio.sleep(PROBE_EVERY)
        self.ready.set()
