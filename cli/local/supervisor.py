"""Keeps programs running: forwards their output, restarts them when they end, stops them in order."""

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
# Exit status of a process of the platform whose settings are wrong, which a restart can't fix.
WRONG_SETTINGS = 2
# Seconds before a program that ended is restarted; doubled each time up to the last.
FIRST_DELAY = 1.0
LAST_DELAY = 30.0
# After a run of this many seconds the delay starts again at the first.
STEADY = 30.0
# Seconds between the signal to stop a program and killing it.
GRACE = 10.0
# Seconds between two readiness probes; a start takes about a second.
PROBE_INTERVAL = 0.1
# Bytes after which an unfinished line is forwarded in parts.
MAX_LINE = 64 * 1024

Say = Callable[[str, str], None]


class UnfitError(Exception):
    """A program did not start because of its settings; its output says why."""


@dataclass(frozen=True, slots=True)
class Program:
    """A program to run, and its readiness probe.

    The kernel sends `death_signal` when the supervisor dies. A `user` requires root.
    """

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    ready: Callable[[], Awaitable[bool]]
    stop_signal: signal.Signals = signal.SIGTERM
    death_signal: signal.Signals = signal.SIGKILL
    user: str | None = None
    # Lines of its output that are not shown.
    noise: tuple[str, ...] = ()


class Keeper:
    """Keeps one program running from `start` to `stop`."""

    def __init__(
        self, program: Program, say: Say, *, grace: float = GRACE, first_delay: float = FIRST_DELAY
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
        """Return the task that keeps it running, which raises UnfitError if the settings are wrong."""
        self._task = asyncio.create_task(self._keep(), name=self.program.name)
        return self._task

    async def stop(self) -> None:
        """Send the stop signal, kill the program after the grace period, and wait for its end."""
        self._stop.set()
        if self._task is not None:
            with suppress(UnfitError):
                await self._task

    def hurry(self) -> None:
        """End the grace period now."""
        self._hurry.set()

    async def _keep(self) -> None:
        clock = asyncio.get_running_loop().time
        delay = self._first_delay
        while not self._stop.is_set():
            started = clock()
            try:
                status = await self._run()
                end = _end(status)
            except OSError as error:  # such as no memory, or a removed interpreter
                status, end = None, f"could not be started ({error})"
            if self._stop.is_set():
                return
            if status == WRONG_SETTINGS and not self._was_ready:
                raise UnfitError(f"{self.program.name} can't start with its settings: see above")
            if clock() - started >= STEADY:
                delay = self._first_delay
            self._say("up", f"{self.program.name} {end}; restarting it in {delay:g} s")
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), delay)
            delay = min(delay * 2, LAST_DELAY)

    async def _run(self) -> int:
        """Run the program once and return its exit status."""
        process = await spawn(self.program)
        self.pid = process.pid
        lines = asyncio.create_task(pass_on(process.stdout, self.program.name, self._show))
        exited = asyncio.create_task(process.wait())
        stopping = asyncio.create_task(self._stop.wait())
        probing = asyncio.create_task(self._probe())
        try:
            await asyncio.wait({exited, stopping}, return_when=asyncio.FIRST_COMPLETED)
            self.ready.clear()
            if not exited.done():
                await self._end(process, exited)
            # Its children may keep the pipe open longer.
            await asyncio.wait({lines}, timeout=1)
            return exited.result()
        finally:
            self.pid = None
            for task in (lines, stopping, probing):
                task.cancel()

    def _show(self, name: str, line: str) -> None:
        if not any(noise in line for noise in self.program.noise):
            self._say(name, line)

    async def _end(self, process: asyncio.subprocess.Process, exited: asyncio.Task[int]) -> None:
        with suppress(ProcessLookupError):  # it has just ended
            process.send_signal(self.program.stop_signal)
        hurry = asyncio.create_task(self._hurry.wait())
        await asyncio.wait(
            {exited, hurry}, timeout=self._grace, return_when=asyncio.FIRST_COMPLETED
        )
        if not exited.done():
            reason = "was not awaited" if hurry.done() else f"did not stop within {self._grace:g} s"
            self._say("up", f"{self.program.name} {reason}: killed")
            with suppress(ProcessLookupError):
                process.kill()
        hurry.cancel()
        await exited

    async def _probe(self) -> None:
        ready = False
        while not ready:
            with suppress(OSError):  # such as no memory for the program that probes
                ready = await self.program.ready()
            if not ready:
                await asyncio.sleep(PROBE_INTERVAL)
        if self._was_ready:
            self._say("up", f"{self.program.name} is running again")
        self._was_ready = True
        self.ready.set()


class Supervisor:
    """Keeps several programs running, and stops them in the reverse order of their start."""

    def __init__(self, say: Say) -> None:
        self._say = say
        self._keepers: list[Keeper] = []
        self._tasks: list[asyncio.Task[None]] = []

    def start(self, program: Program) -> Keeper:
        """Start a program."""
        keeper = Keeper(program, self._say)
        self._keepers.append(keeper)
        self._tasks.append(keeper.start())
        return keeper

    async def ended(self) -> None:
        """Never return; raise UnfitError when a program can't start with its settings."""
        while True:
            done, _ = await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()

    def hurry(self) -> None:
        """End the grace period of every program."""
        for keeper in self._keepers:
            keeper.hurry()

    async def stop(self) -> None:
        """Stop all programs, the last started first."""
        while self._keepers:
            await self._keepers[-1].stop()
            self._keepers.pop()


async def run_once(program: Program, say: Say) -> int:
    """Run a program until it ends and return its exit status; terminate it when cancelled."""
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
    """Start a program in a new session, so that Ctrl-C reaches only the supervisor."""
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
    """Pass each line of the stream to `say` with the name, until the stream ends."""
    if stream is None:
        return
    partial = b""
    while chunk := await stream.read(MAX_LINE):
        *lines, partial = (partial + chunk).split(b"\n")
        if len(partial) > MAX_LINE:
            lines, partial = [*lines, partial], b""
        for line in lines:
            say(name, line.decode(errors="replace").rstrip())
    if partial:
        say(name, partial.decode(errors="replace").rstrip())


def _end(status: int) -> str:
    return f"ended by signal {-status}" if status < 0 else f"ended with status {status}"
