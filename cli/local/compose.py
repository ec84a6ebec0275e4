"""Operations of `esimgo compose`: starts and stops the containers of deploy/compose.yaml."""

import asyncio
import os
import shutil
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import aiohttp

from cli.config import env_files
from cli.config.settings import ROOT
from cli.config.variables import compose_names, compose_profiles
from cli.errors import CommandError
from cli.local import welcome
from cli.local.console import OWN_NAME, Console

DEPLOY = ROOT / "deploy"
SANDBOX = DEPLOY / "sandbox.env"
OLD_NAME = "docker-compose"
ACCOUNTS = ("ESIM_GO_API_KEY", "SUPABASE_URL", "DATABASE_URL", "REDIS_URL")
# Seconds from started containers to plans on sale; the real provider's catalogue takes half a minute.
START_TIMEOUT = 180.0


@dataclass(frozen=True, slots=True)
class Compose:
    """A Compose project.

    `values` merges the environment, the env file and this machine's .env, in this order of precedence.
    `ignored` names the accounts in .env, which containers do not get: only the env file selects accounts.
    """

    client: tuple[str, ...]
    env_file: Path
    values: Mapping[str, str] = field(repr=False)
    ignored: tuple[str, ...] = ()

    async def up(self, console: Console) -> None:
        """Generate secrets, build and start the containers, and print how to use them.

        Raises CommandError if a program fails, which has printed the reason.
        """
        started = time.monotonic()
        if self.ignored:
            console.say(
                OWN_NAME,
                f"warning: {', '.join(self.ignored)} in .env have no effect on containers, which"
                f" use {self.env_file.name}; docs/operations.md describes how to configure real"
                " accounts",
            )
        await self._run(str(DEPLOY / "make-secrets"))
        await self.run("up", "--build", "--detach")
        url = f"http://localhost:{self._port('GATEWAY_PORT', 4000)}/graphql"
        async with aiohttp.ClientSession() as http:
            try:
                async with asyncio.timeout(START_TIMEOUT):
                    plan = await welcome.first_plan(http, url, console)
            except TimeoutError:
                await self.run("ps")
                raise CommandError(
                    f"no plans are on sale after {START_TIMEOUT:g} s: find the unhealthy container"
                    " above, and read its log with `docker logs`"
                ) from None
            console.say(OWN_NAME, f"ready in {time.monotonic() - started:.1f} s")
            blocks = [self._addresses(url)]
            if self.sandboxed:
                auth = f"http://localhost:{self._port('SANDBOX_AUTH_PORT', 4011)}"
                blocks.append(await welcome.tokens(http, auth))
            else:
                blocks.append("  TOKEN is the access token of a session of your Supabase project")
            if self.paid:
                blocks += [welcome.commands(url, plan, paid=True), welcome.HOW_TO_PAY]
            else:
                blocks.append(welcome.commands(url, plan))
        console.show("\n" + "\n\n".join(blocks) + "\n")

    async def down(self, *options: str) -> None:
        """Stop and remove the containers; raise CommandError if that fails.

        Of every profile, because Compose 2 leaves those running whose profile is not named.
        """
        values = {**self.values, "COMPOSE_PROFILES": ",".join(compose_profiles())}
        await replace(self, values=values).run("down", *options)

    async def run(self, *arguments: str) -> None:
        """Run a command of Compose, such as "ps"; raise CommandError if it fails."""
        files = ("--env-file", str(self.env_file), "--file", str(DEPLOY / "compose.yaml"))
        await self._run(*self.client, *files, *arguments)

    @property
    def sandboxed(self) -> bool:
        """True if the provider's sandbox and the auth emulator are among the containers."""
        return _sandboxed(self.values)

    @property
    def paid(self) -> bool:
        """True if customers pay with the test cards of the payment sandbox, which is among the containers."""
        profiles = self.values.get("COMPOSE_PROFILES", "").split(",")
        return "payments" in profiles and self.values.get("PAYMENTS", "").lower() == "required"

    def _port(self, name: str, default: int) -> str:
        return self.values.get(name) or str(default)

    def _addresses(self, url: str) -> str:
        webhooks = f"http://localhost:{self._port('WEBHOOKS_PORT', 4001)}/webhooks/esim-go"
        lines = [f"  GraphQL            {url}", f"  callbacks          {webhooks}"]
        if self.sandboxed:
            admin_api = f"http://localhost:{self._port('SANDBOX_PORT', 4010)}/_control"
            auth = f"http://localhost:{self._port('SANDBOX_AUTH_PORT', 4011)}"
            anon_key = (secrets_folder(self.values) / "SUPABASE_ANON_KEY").read_text().strip()
            lines += [
                f"  provider           the sandbox; its admin API: {admin_api}",
                f"  SUPABASE_URL       {auth} (the emulator)",
                f"  SUPABASE_ANON_KEY  {anon_key}",
            ]
        else:
            lines += [f"  {n:<17}  {self.values[n]}" for n in ("ESIM_GO_BASE_URL", "SUPABASE_URL")]
        return "\n".join(lines)

    async def _run(self, *command: str) -> None:
        process = await asyncio.create_subprocess_exec(*command, env=dict(self.values))
        if await process.wait() != 0:
            raise CommandError(
                f"{Path(command[0]).name} ended with {process.returncode}: see above"
            )


def load(
    env_file: Path, environment: Mapping[str, str] = os.environ, machine_file: Path = ROOT / ".env"
) -> Compose:
    """Return the project of an env file; raise CommandError if it or Docker Compose is missing."""
    if not env_file.is_file():
        raise CommandError(
            f"there is no file {env_file}: copy deploy/real.env.example, or use deploy/sandbox.env"
        )
    chosen = _set(env_files.read(env_file))
    machine = _set(env_files.read(machine_file))
    of_machine = {name: value for name, value in machine.items() if name in compose_names()}
    ignored = tuple(name for name in ACCOUNTS if name in machine)
    values = {**of_machine, **chosen, **environment}
    if _sandboxed(values) and (port := values.get("SANDBOX_AUTH_PORT")):
        values["SUPABASE_PUBLIC_URL"] = f"http://localhost:{port}"
    if port := values.get("GATEWAY_PORT"):
        values.setdefault("GATEWAY_PUBLIC_URL", f"http://localhost:{port}")
    return Compose(client(), env_file, values, ignored)


def _sandboxed(values: Mapping[str, str]) -> bool:
    return "sandbox" in values.get("COMPOSE_PROFILES", "").split(",")


def _set(values: Mapping[str, str | None]) -> dict[str, str]:
    return {name: value for name, value in values.items() if value}


def client() -> tuple[str, ...]:
    """Return the command of Compose 2, or of docker-compose 1.29 if only that is installed."""
    docker = shutil.which("docker")
    if docker is not None:
        version = subprocess.run([docker, "compose", "version"], capture_output=True, check=False)  # noqa: S603 - found on the path, constant arguments
        if version.returncode == 0:
            return docker, "compose"
    if old := shutil.which(OLD_NAME):
        return (old,)
    raise CommandError(
        "Docker Compose is not installed: install Docker Engine with its Compose plugin, or Debian's"
        f" docker.io and {OLD_NAME}"
    )


def secrets_folder(values: Mapping[str, str]) -> Path:
    """Return the folder to which deploy/make-secrets writes."""
    return Path(values.get("ESIMGO_SECRETS") or DEPLOY / "secrets")
