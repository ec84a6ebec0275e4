"""The servers that are compared on one core: ours, other GraphQL servers, an HTTP cache, bare aiohttp."""

import asyncio
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import aiohttp

from bench.gateway_load import Request
from cli.config.environment import surroundings
from cli.local.supervisor import Program, Supervisor
from tests.chaos.purchase.machine import command_in
from tests.fixtures.free_ports import free_ports
from tests.fixtures.programs import http_cache

OURS, CACHED, HTTP_CACHE, APOLLO, APOLLO_CACHED, MERCURIUS, BARE = SERVERS = (
    *("ours", "ours-cached", "http-cache", "apollo", "apollo-cached", "mercurius", "bare"),
)
# The gateway of another checkout, to measure a change.
BEFORE = "before"
# Caches are measured with public data only, as they store nothing else.
WITH_CACHE = (CACHED, HTTP_CACHE, APOLLO_CACHED)
ADDRESSES = ("CATALOGUE_ADDRESS", "ORDERS_ADDRESS", "ESIMS_ADDRESS")
RIVALS = Path(__file__).parent / "rivals"
MIN_NODE = 20
# Seconds until a server must be ready after its start, on a busy machine.
START_TIMEOUT = 60


@dataclass(frozen=True, slots=True)
class Server:
    """A running server; `name` is also that of its process in the tables."""

    name: str
    pid: int
    url: str

    def url_of(self, request: Request) -> str:
        """Return the URL to which the request is posted; with a query string, the one of a GET."""
        if self.name == HTTP_CACHE:  # it caches GETs only
            return f"{self.url}/graphql?{urlencode(json.loads(request.body))}"
        return f"{self.url}/{request.name if self.name == BARE else 'graphql'}"


def measured(server: str, request: Request) -> bool:
    """Return True if the server is measured with the request: caches only with public ones."""
    return server not in WITH_CACHE or request.token is None


def node_is_missing() -> str | None:
    """Return why the rivals can't run here; None if they can."""
    if not (shutil.which("node") and shutil.which("npm")):
        return "node and npm are not installed"
    version = subprocess.run(
        ["node", "--version"],  # noqa: S607 - the one on the PATH
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    if int(version.removeprefix("v").split(".")[0]) < MIN_NODE:
        return f"node {version} is too old ({MIN_NODE} or newer)"
    return None


def install_rivals() -> None:
    """Install the locked packages of the rivals if needed; raise RuntimeError if npm fails."""
    installed, lock = RIVALS / "node_modules/.package-lock.json", RIVALS / "package-lock.json"
    if installed.exists() and installed.stat().st_mtime >= lock.stat().st_mtime:
        return
    done = subprocess.run(
        ["npm", "ci", "--no-audit", "--no-fund"],  # noqa: S607 - the one on the PATH
        cwd=RIVALS,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"npm could not install the rivals:\n{done.stdout}{done.stderr}")


@dataclass(frozen=True, slots=True)
class Starter:
    """Starts servers in front of the services at `addresses`, all on the same core if `core` is set.

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
        """Yield the servers when they are ready. The bare one answers with the files in `answers`."""
        # The HTTP cache stands in front of the gateway with a cache.
        started = list(dict.fromkeys([*names, *([CACHED] if HTTP_CACHE in names else [])]))
        async with AsyncExitStack() as stack:
            supervisor = Supervisor(self.say)
            stack.push_async_callback(supervisor.stop)
            ports = dict(zip(started, free_ports(len(started)), strict=True))
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            keepers = {
                name: supervisor.start(self._program(name, ports, answers, folder))
                for name in started
            }
            async with asyncio.timeout(START_TIMEOUT):
                await asyncio.gather(*(keeper.ready.wait() for keeper in keepers.values()))
            yield [
                Server(name, keepers[name].pid or 0, f"http://127.0.0.1:{ports[name]}")
                for name in names
            ]

    def _program(self, name: str, ports: Mapping[str, int], answers: Path, folder: Path) -> Program:
        port = ports[name]
        if name == HTTP_CACHE:
            nginx = http_cache.nginx()
            command = http_cache.command_of(nginx, folder, port, ports[CACHED])
            environment: Mapping[str, str] = surroundings(os.environ)
        else:
            command, environment = self._command(name, port, answers)
        pinned = ("-m", "bench.gateway_on_core", str(self.core)) if self.core is not None else ()
        if pinned:
            command = (sys.executable, *pinned, *command)
        else:
            command = (shutil.which(command[0]) or command[0], *command[1:])
        return Program(name, command, environment, lambda: self._answers(port))

    def _command(
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
            command: tuple[str, ...] = (sys.executable, "-m", "gateway")
            if name == BEFORE and self.before:
                command = command_in(self.before, command)
            return command, environment
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


async def answer_of(http: aiohttp.ClientSession, server: Server, request: Request) -> bytes:
    """Return the body of a server's response; raise RuntimeError for an error."""
    headers = {"Content-Type": "application/json"}
    headers |= {"Authorization": f"Bearer {request.token}"} if request.token else {}
    url = server.url_of(request)
    sent = http.get(url) if "?" in url else http.post(url, data=request.body, headers=headers)
    async with sent as answer:
        body = await answer.read()
    content: Any = json.loads(body)
    if answer.status != 200 or "errors" in content:
        raise RuntimeError(f"{server.name} refused {request.name}: {body.decode()}")
    return body


async def check_equal(
    http: aiohttp.ClientSession, servers: Sequence[Server], request: Request, expected: bytes
) -> None:
    """Raise RuntimeError unless every server answers with the expected data."""
    data = json.loads(expected)["data"]
    for server in servers:
        found = json.loads(await answer_of(http, server, request))["data"]
        if found != data:
            raise RuntimeError(
                f"{server.name} returns different data for {request.name}:\n{json.dumps(found)}\nnot\n"
                f"{json.dumps(data)}"
            )
