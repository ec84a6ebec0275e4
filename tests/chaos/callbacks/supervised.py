"""A process that is restarted immediately whenever it exits, on the same port."""

import asyncio
import signal
from collections import deque
from collections.abc import Callable
from contextlib import suppress

from cli.local.supervisor import Program, pass_on, spawn

# Output lines of each process that are stored to explain a failure.
MAX_LINES = 400
# Seconds until a process must be ready; a start takes two on an idle machine.
START_TIMEOUT = 90.0
# Seconds between two health checks.
PROBE_INTERVAL = 0.05
# Seconds that a process has to stop gracefully.
GRACE = 10.0


class SupervisedProcess:
    """Runs one program until `stop`; `say` receives its output lines.

    `status` is the latest exit status; `unexpected_exits` counts the exits that nothing here caused.
    """

    def __init__(self, program: Program, say: Callable[[str], None] = lambda line: None) -> None:
        self.program = program
        self.status: int | None = None
        self.unexpected_exits = 0
        self._say = say
        self.ready = asyncio.Event()
        self.lines: deque[str] = deque(maxlen=MAX_LINES)
        self._process: asyncio.subprocess.Process | None = None
        self._stopping = False
        self._may_run = asyncio.Event()
        self._may_run.set()
        self._task = asyncio.create_task(self._supervise(), name=program.name)

    async def until_ready(self) -> None:
        """Wait until it is ready; raises RuntimeError with its last lines if it doesn't start."""
        try:
            async with asyncio.timeout(START_TIMEOUT):
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

    async def shut_down(self, number: signal.Signals | None = None) -> None:
        """Stop it with the program's usual signal or the given one, until `start_again`."""
        self._may_run.clear()
        self._signal(number)
        while self._process is not None:
            await asyncio.sleep(PROBE_INTERVAL)

    async def start_again(self) -> None:
        """Start it again after `shut_down`."""
        self._may_run.set()
        await self.until_ready()

    def freeze(self) -> None:
        """Suspend it until `thaw`, like a process that hangs."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Resume it after `freeze`."""
        self._signal(signal.SIGCONT)

    async def stop(self, grace: float = GRACE) -> None:
        """Stop it gracefully, and kill it after `grace` seconds."""
        self._stopping = True
        self._may_run.set()
        self._signal()
        done, _ = await asyncio.wait({self._task}, timeout=grace)
        if not done:
            self.kill()
            await self._task

    def _signal(self, number: signal.Signals | None = None) -> None:
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.send_signal(number or self.program.stop_signal)

    async def _supervise(self) -> None:
        while True:
            await self._may_run.wait()
            if self._stopping:
                return
            self._process = await spawn(self.program)
            reading = asyncio.create_task(
                pass_on(
                    self._process.stdout, self.program.name, lambda _, line: self._add_line(line)
                )
            )
            probing = asyncio.create_task(self._probe())
            self.status = await self._process.wait()
            if self._may_run.is_set() and not self._stopping:
                self.unexpected_exits += 1
            probing.cancel()
            self._process = None
            self.ready.clear()
            await asyncio.wait({reading}, timeout=1)
            reading.cancel()

    def _add_line(self, line: str) -> None:
        self.lines.append(line)
        self._say(line)

    async def _probe(self) -> None:
        while not await self.program.ready():
            await asyncio.sleep(PROBE_INTERVAL)
        self.ready.set()
