"""The supervisor with real small processes that are started, killed and stopped."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace

import pytest

from cli.config.settings import ROOT
from cli.local.supervisor import Keeper, Program, Supervisor, UnfitError, pass_on, run_once
from tests.fixtures.patience import PATIENCE

# Reports that it is up and then waits for a signal.
WAITS = "import signal; print('here', flush=True); signal.pause()"
IGNORES_SIGTERM = (
    "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('here', flush=True)\n"
    "while True: signal.pause()"
)


class Received:
    """Collects output and lets a test wait for a line."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []
        self._more = asyncio.Condition()
        self._tasks: set[asyncio.Task[None]] = set()

    def say(self, name: str, text: str) -> None:
        self.lines.append((name, text))
        task = asyncio.ensure_future(self._tell())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _tell(self) -> None:
        async with self._more:
            self._more.notify_all()

    async def until(self, name: str, text: str, times: int = 1) -> None:
        """Wait until a line with this text was written that many times."""
        async with self._more:
            await self._more.wait_for(
                lambda: sum(n == name and text in line for n, line in self.lines) >= times
            )


@pytest.fixture
async def received() -> Received:
    return Received()


async def ready() -> bool:
    return True


def program(name: str, code: str) -> Program:
    return Program(name, (sys.executable, "-c", code), dict(os.environ), ready)


async def test_a_killed_program_is_restarted_and_the_restart_is_reported(
    received: Received,
) -> None:
    keeper = Keeper(program("orders", WAITS), received.say, first_delay=0.01)
    keeper.start()
    await received.until("orders", "here")
    first = keeper.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    await received.until("orders", "here", times=2)
    assert keeper.pid not in (None, first)
    assert ("up", "orders ended by signal 9; restarting it in 0.01 s") in received.lines
    await received.until("up", "orders is running again")
    await keeper.stop()


async def test_a_readiness_probe_that_can_not_be_made_is_repeated(received: Received) -> None:
    results: Iterator[OSError | bool] = iter([OSError(12, "Cannot allocate memory"), False, True])

    async def probed() -> bool:
        result = next(results)
        if isinstance(result, OSError):
            raise result
        return result

    command = (sys.executable, "-c", WAITS)
    keeper = Keeper(Program("postgres", command, dict(os.environ), probed), received.say)
    keeper.start()
    async with asyncio.timeout(PATIENCE):
        await keeper.ready.wait()
    await keeper.stop()


async def test_noise_of_a_program_is_not_shown(received: Received) -> None:
    talks = program("postgres", "print('FATAL: it stops'); print('here', flush=True)")
    keeper = Keeper(replace(talks, noise=("it stops",)), received.say)
    keeper.start()
    await received.until("postgres", "here")
    await keeper.stop()
    assert not [line for _, line in received.lines if "FATAL" in line]


async def test_the_restart_delay_doubles_while_a_program_keeps_ending(received: Received) -> None:
    keeper = Keeper(program("esims", "raise SystemExit(3)"), received.say, first_delay=0.01)
    keeper.start()
    await received.until("up", "esims ended with status 3; restarting it in 0.04 s")
    await keeper.stop()
    assert [text for name, text in received.lines if name == "up" and "restarting" in text][:3] == [
        f"esims ended with status 3; restarting it in {pause} s"
        for pause in ("0.01", "0.02", "0.04")
    ]


async def test_invalid_settings_at_the_first_start_stop_all_programs(received: Received) -> None:
    async def never() -> bool:
        return False

    unfit = Program(
        "gateway",
        (sys.executable, "-c", "print('set SUPABASE_URL'); raise SystemExit(2)"),
        dict(os.environ),
        never,
    )
    supervisor = Supervisor(received.say)
    supervisor.start(unfit)
    with pytest.raises(UnfitError, match="gateway"):
        await supervisor.ended()
    await supervisor.stop()
    assert ("gateway", "set SUPABASE_URL") in received.lines


async def test_programs_are_stopped_in_reverse_order(received: Received) -> None:
    # The signal is blocked and received by sigwait: a handler could run just before pause(), which would
    # then wait for a second signal that never comes.
    code = (
        "import signal; signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})\n"
        "print('here', flush=True); signal.sigwait({signal.SIGTERM}); print('bye')"
    )
    supervisor = Supervisor(received.say)
    for name in ("database", "service", "gateway"):
        supervisor.start(program(name, code))
        await received.until(name, "here")
    await supervisor.stop()
    assert [name for name, text in received.lines if text == "bye"] == [
        "gateway",
        "service",
        "database",
    ]


async def test_a_program_that_does_not_stop_is_killed(received: Received) -> None:
    keeper = Keeper(program("stubborn", IGNORES_SIGTERM), received.say, grace=0.05)
    keeper.start()
    await received.until("stubborn", "here")
    await keeper.stop()
    assert ("up", "stubborn did not stop within 0.05 s: killed") in received.lines
    assert keeper.pid is None


async def test_a_second_stop_request_ends_the_grace_period(received: Received) -> None:
    keeper = Keeper(program("stubborn", IGNORES_SIGTERM), received.say, grace=3600)
    keeper.start()
    await received.until("stubborn", "here")
    stopping = asyncio.create_task(keeper.stop())
    keeper.hurry()
    await stopping
    assert ("up", "stubborn was not awaited: killed") in received.lines


async def test_stopping_does_not_wait_for_the_restart_delay(received: Received) -> None:
    keeper = Keeper(program("esims", "raise SystemExit(3)"), received.say, first_delay=3600)
    keeper.start()
    await received.until("up", "restarting it")
    await keeper.stop()


@pytest.mark.skipif(
    sys.platform != "linux",
    reason="needs Linux (only its kernel signals children when their parent ends)",
)
async def test_programs_end_when_their_supervisor_is_killed() -> None:
    code = (
        "import asyncio, os, sys\n"
        "from cli.local.supervisor import Program, spawn\n"
        "async def main():\n"
        "    async def ready(): return True\n"
        "    command = (sys.executable, '-c', 'import signal; print(flush=True); signal.pause()')\n"
        "    process = await spawn(Program('child', command, dict(os.environ), ready))\n"
        "    await process.stdout.readline()\n"
        "    print(process.pid, flush=True)\n"
        "    await asyncio.Event().wait()\n"
        "asyncio.run(main())\n"
    )
    parent = subprocess.Popen(  # noqa: ASYNC220 - nothing else runs in this test's loop
        [sys.executable, "-c", code], stdout=subprocess.PIPE, cwd=ROOT, text=True
    )
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    watch = os.pidfd_open(child)
    try:
        parent.kill()
        parent.wait()
        gone = asyncio.Event()
        # A pidfd is readable once its process has ended.
        asyncio.get_running_loop().add_reader(watch, gone.set)
        await asyncio.wait_for(gone.wait(), PATIENCE)
        asyncio.get_running_loop().remove_reader(watch)
    finally:
        os.close(watch)
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)


async def test_a_program_that_runs_once_returns_its_status_and_its_output(
    received: Received,
) -> None:
    status = await run_once(
        program("migrate", "print('applied'); raise SystemExit(1)"), received.say
    )
    assert status == 1
    assert received.lines == [("migrate", "applied")]


async def test_cancelling_a_run_ends_its_program(received: Received) -> None:
    running = asyncio.create_task(run_once(program("migrate", WAITS), received.say))
    await received.until("migrate", "here")
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_lines_are_forwarded_whole_and_overlong_ones_in_parts(received: Received) -> None:
    stream = asyncio.StreamReader()
    stream.feed_data(b"one\ntw")
    stream.feed_data(b"o\n" + b"x" * 200_000 + b"\nlast")
    stream.feed_eof()
    await pass_on(stream, "any", received.say)
    texts = [text for _, text in received.lines]
    assert texts[:2] == ["one", "two"]
    assert "".join(texts[2:-1]) + texts[-1] == "x" * 200_000 + "last"
    assert texts[-1] == "last"
