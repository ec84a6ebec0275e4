"""Keeps programs running: passes their lines on, starts them again when they end, stops them in order."""

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from cli.config.settings import ROOT

LAUNCH = Path(__file__).with_name("launch.py")
# Exit status by which our processes say that their settings are wrong: trying again can't help.
UNFIT = 2
# Seconds before a program that ended is started again; doubled each time up to the last.
FIRST_DELAY = 1.0
LAST_DELAY = 30.0
# A program that ran this many seconds was well: its next end counts as the first one.
STEADY = 30.0
# Seconds that a program has for its running work after it was asked to stop.
GRACE = 10.0
# Seconds between two questions whether a program is ready: short against the second it takes.
PROBE_EVERY = 0.1
# Bytes of one line that are held back before it is passed on unfinished.
LONGEST_LINE = 64 * 1024

Say = Callable[[str, str], None]


class UnfitError(Exception):
    """A program refused to start with its settings; it said why in its own lines."""


@dataclass(frozen=True, slots=True)
class Program:
    """What is run and how one sees that it is ready.

    `death_signal` is what the kernel sends it when we are gone; `user` needs root.
    """

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    ready: Callable[[], Awaitable[bool]]
    stop_signal: signal.Signals = signal.SIGTERM
    death_signal: signal.Signals = signal.SIGKILL
    user: str | None = None


class Keeper:
    """Keeps one program running from `start` to `stop`."""

    def __init__(
        self,
        program: Program,
        say: Say,
        *,
        grace: float = GRACE,
        first_delay: float = FIRST_DELAY,
    ) -> None:
        self.program = program
        self.pid: int | None = None
        self.ready = asyncio.Event()
        self._say = say
        self._grace = grace
        self._first_delay = first_delay
        self._stop = asyncio.Event()
        self._hurry = asyncio.Event()
        self._was_ready = False
        self._task: asyncio.Task[None] | None = None

    def start(self) -> asyncio.Task[None]:
        """The task that keeps it; it ends with UnfitError when the settings are wrong."""
        self._task = asyncio.create_task(self._keep(), name=self.program.name)
        return self._task

    async def stop(self) -> None:
        """Asks it to stop, kills it when it doesn't within the grace, and waits for its end."""
        self._stop.set()
        if self._task is not None:
            with suppress(UnfitError):
                await self._task

    def hurry(self) -> None:
        """Cuts the grace short."""
        self._hurry.set()

    async def _keep(self) -> None:
        clock = asyncio.get_running_loop().time
        delay = self._first_delay
        while not self._stop.is_set():
            started = clock()
            try:
                status = await self._run()
                end = _end(status)
            except OSError as error:  # no memory, no process left, our Python removed
                status, end = None, f"could not be started ({error})"
            if self._stop.is_set():
                return
            if status == UNFIT and not self._was_ready:
                raise UnfitError(f"{self.program.name} can't start with its settings: see above")
            if clock() - started >= STEADY:
                delay = self._first_delay
            self._say("up", f"{self.program.name} {end}; restarting it in {delay:g} s")
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), delay)
            delay = min(delay * 2, LAST_DELAY)

    async def _run(self) -> int:
        """One life of the program."""
        process = await spawn(self.program)
        self.pid = process.pid
        lines = asyncio.create_task(pass_on(process.stdout, self.program.name, self._say))
        exited = asyncio.create_task(process.wait())
        stopping = asyncio.create_task(self._stop.wait())
        probing = asyncio.create_task(self._probe())
        try:
            await asyncio.wait({exited, stopping}, return_when=asyncio.FIRST_COMPLETED)
            self.ready.clear()
            if not exited.done():
                await self._end(process, exited)
            # Its own children may hold the pipe open a little longer; nobody waits for them.
            await asyncio.wait({lines}, timeout=1)
            return exited.result()
        finally:
            self.pid = None
            for task in (lines, stopping, probing):
                task.cancel()

    async def _end(self, process: asyncio.subprocess.Process, exited: asyncio.Task[int]) -> None:
        with suppress(ProcessLookupError):  # it ended in this moment
            process.send_signal(self.program.stop_signal)
        hurry = asyncio.create_task(self._hurry.wait())
        await asyncio.wait(
            {exited, hurry}, timeout=self._grace, return_when=asyncio.FIRST_COMPLETED
        )
        if not exited.done():
            why = "was not awaited" if hurry.done() else f"did not stop within {self._grace:g} s"
            self._say("up", f"{self.program.name} {why}: killed")
            with suppress(ProcessLookupError):
                process.kill()
        hurry.cancel()
        await exited

    async def _probe(self) -> None:
        while not await self.program.ready():  # noqa: ASYNC110 - it's another process that we ask
            await asyncio.sleep(PROBE_EVERY)
        if self._was_ready:
            self._say("up", f"{self.program.name} is running again")
        self._was_ready = True
        self.ready.set()


class Supervisor:
    """Several kept programs, stopped in the reverse order of their start."""

    def __init__(self, say: Say) -> None:
        self._say = say
        self._keepers: list[Keeper] = []
        self._tasks: list[asyncio.Task[None]] = []

    def start(self, program: Program) -> Keeper:
        """Starts to keep one more."""
        keeper = Keeper(program, self._say)
        self._keepers.append(keeper)
        self._tasks.append(keeper.start())
        return keeper

    async def ended(self) -> None:
        """Returns never, or raises UnfitError when one can't start with its settings."""
        while True:
            done, _ = await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()

    def hurry(self) -> None:
        """Somebody asked twice: no grace for whatever still runs."""
        for keeper in self._keepers:
            keeper.hurry()

    async def stop(self) -> None:
        """Stops all, the last started first."""
        while self._keepers:
            await self._keepers[-1].stop()
            self._keepers.pop()


async def run_once(program: Program, say: Say) -> int:
    """Runs a program that ends by itself and returns its exit status; stops it when cancelled."""
    process = await spawn(program)
    lines = asyncio.create_task(pass_on(process.stdout, program.name, say))
    try:
        status = await process.wait()
        await lines
    except asyncio.CancelledError:
        with suppress(ProcessLookupError):
            process.terminate()
        await process.wait()
        raise
    return status


async def spawn(program: Program) -> asyncio.subprocess.Process:
    """Starts a program in a session of its own, so that Ctrl-C reaches only us."""
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-S", str(LAUNCH)),
        *(str(os.getpid()), str(int(program.death_signal)), program.user or "-"),
        *program.command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        cwd=ROOT,
        env=dict(program.environment),
        start_new_session=True,
    )


async def pass_on(stream: asyncio.StreamReader | None, name: str, say: Say) -> None:
    """Says each line of the stream under the name, until it ends."""
    if stream is None:
        return
    held = b""
    while chunk := await stream.read(LONGEST_LINE):
        *lines, held = (held + chunk).split(b"\n")
        if len(held) > LONGEST_LINE:
            lines, held = [*lines, held], b""
        for line in lines:
            say(name, line.decode(errors="replace").rstrip())
    if held:
        say(name, held.decode(errors="replace").rstrip())


def _end(status: int) -> str:
    return f"ended by signal {-status}" if status < 0 else f"ended with status {status}"
