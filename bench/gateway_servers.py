"""The servers that are compared, each a process on the same core: ours, the rivals, a bare answer."""

import asyncio
import json
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from bench.gateway_load import Question
from cli.config.environment import surroundings
from cli.local.supervisor import Program, Supervisor
from tests.chaos.purchase.machine import elsewhere
from tests.fixtures.free_ports import free_ports

OURS, CACHED, APOLLO, APOLLO_CACHED, MERCURIUS, BARE = SERVERS = (
    *("ours", "ours-cached", "apollo", "apollo-cached", "mercurius", "bare"),
)
# Our gateway as another checkout has it, to see what a change costs.
BEFORE = "before"
# What keeps answers is asked for public data alone: nothing else may be kept.
WITH_CACHE = (CACHED, APOLLO_CACHED)
ADDRESSES = ("CATALOGUE_ADDRESS", "ORDERS_ADDRESS", "ESIMS_ADDRESS")
RIVALS = Path(__file__).parent / "rivals"
OLDEST_NODE = 20
# Seconds for a server to answer after its start, on a machine with other work.
PATIENCE = 60


@dataclass(frozen=True, slots=True)
class Server:
    """One that runs; `name` is also that of its process in the figures."""

    name: str
    pid: int
    url: str

    def url_of(self, question: Question) -> str:
        """Where the question is to be posted."""
        return f"{self.url}/{question.name if self.name == BARE else 'graphql'}"


def measured(server: str, question: Question) -> bool:
    """Whether the server has something to say to it: caches keep public data alone."""
    return server not in WITH_CACHE or question.token is None


def node_is_missing() -> str | None:
    """Why the rivals can't run here; None when they can."""
    if not (shutil.which("node") and shutil.which("npm")):
        return "node and npm are not installed"
    version = subprocess.run(
        ["node", "--version"],  # noqa: S607 - whichever the user has
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    if int(version.removeprefix("v").split(".")[0]) < OLDEST_NODE:
        return f"node {version} is too old ({OLDEST_NODE} or newer)"
    return None


def install_rivals() -> None:
    """Their locked packages, unless they are there; raises RuntimeError when npm fails."""
    installed, lock = RIVALS / "node_modules/.package-lock.json", RIVALS / "package-lock.json"
    if installed.exists() and installed.stat().st_mtime >= lock.stat().st_mtime:
        return
    done = subprocess.run(
        ["npm", "ci", "--no-audit", "--no-fund"],  # noqa: S607 - whichever the user has
        cwd=RIVALS,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"npm could not install the rivals:\n{done.stdout}{done.stderr}")


@dataclass(frozen=True, slots=True)
class Starter:
    """Starts servers for services at those addresses, all on one core if there is a choice.

    `environment` is that of our gateway; `before` is the folder of the other checkout.
    """

    environment: Mapping[str, str]
    addresses: Mapping[str, str]
    core: int | None
    http: aiohttp.ClientSession
    say: Callable[[str, str], None]
    before: Path | None = None

    @asynccontextmanager
    async def running(self, names: Sequence[str], answers: Path) -> AsyncIterator[list[Server]]:
        """Those servers, ready, until the end of the block; the bare one answers those files."""
        async with AsyncExitStack() as stack:
            supervisor = Supervisor(self.say)
            stack.push_async_callback(supervisor.stop)
            ports = dict(zip(names, free_ports(len(names)), strict=True))
            keepers = {
                name: supervisor.start(self._program(name, port, answers))
                for name, port in ports.items()
            }
            async with asyncio.timeout(PATIENCE):
                await asyncio.gather(*(keeper.ready.wait() for keeper in keepers.values()))
            yield [
                Server(name, keeper.pid or 0, f"http://127.0.0.1:{ports[name]}")
                for name, keeper in keepers.items()
            ]

    def _program(self, name: str, port: int, answers: Path) -> Program:
        command, environment = self._called(name, port, answers)
        pinned = ("-m", "bench.gateway_on_core", str(self.core)) if self.core is not None else ()
        if pinned:
            command = (sys.executable, *pinned, *command)
        else:
            command = (shutil.which(command[0]) or command[0], *command[1:])
        return Program(name, command, environment, lambda: self._answers(port))

    def _called(
        self, name: str, port: int, answers: Path
    ) -> tuple[tuple[str, ...], Mapping[str, str]]:
        if name == BARE:
            module = (sys.executable, "-m", "bench.gateway_bare", str(port), str(answers))
            return module, surroundings(os.environ)
        if name in (OURS, CACHED, BEFORE):
            environment = {
                **self.environment,
                **self.addresses,
                "GATEWAY_PORT": str(port),
                "GATEWAY_METRICS_PORT": "0",
                "GATEWAY_RESPONSE_CACHE_SECONDS": "60" if name == CACHED else "0",
            }
            there = elsewhere(self.before) if name == BEFORE and self.before else ()
            return (*there, sys.executable, "-m", "gateway"), environment
        environment = {
            **surroundings(os.environ),
            **self.addresses,
            "SUPABASE_URL": self.environment["SUPABASE_URL"],
            "NODE_ENV": "production",
            "PORT": str(port),
            "RESPONSE_CACHE": str(int(name in WITH_CACHE)),
        }
        script = MERCURIUS if name == MERCURIUS else APOLLO
        return ("node", str(RIVALS / f"{script}.mjs")), environment

    async def _answers(self, port: int) -> bool:
        try:
            async with self.http.post(
                f"http://127.0.0.1:{port}/graphql", json={"query": "{ __typename }"}
            ) as answer:
                await answer.read()
        except aiohttp.ClientError:
            return False
        return True


async def answer_of(http: aiohttp.ClientSession, server: Server, question: Question) -> bytes:
    """What a server answers, byte by byte; raises RuntimeError for anything but data."""
    headers = {"Content-Type": "application/json"}
    headers |= {"Authorization": f"Bearer {question.token}"} if question.token else {}
    url = server.url_of(question)
    async with http.post(url, data=question.body, headers=headers) as answer:
        body = await answer.read()
    content: Any = json.loads(body)
    if answer.status != 200 or "errors" in content:
        raise RuntimeError(f"{server.name} refused {question.name}: {body.decode()}")
    return body


async def check_equal(
    http: aiohttp.ClientSession, servers: Sequence[Server], question: Question, expected: bytes
) -> None:
    """Raises RuntimeError unless every server answers data equal to what is expected."""
    wanted = json.loads(expected)["data"]
    for server in servers:
        found = json.loads(await answer_of(http, server, question))["data"]
        if found != wanted:
            raise RuntimeError(
                f"{server.name} answers {question.name} otherwise:\n{json.dumps(found)}\nnot\n"
                f"{json.dumps(wanted)}"
            )
