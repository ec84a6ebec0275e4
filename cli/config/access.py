"""Addresses and keys with which operators' commands call the platform, here or inside a container."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cli.config import local_secrets
from cli.config.processes import PROCESSES
from cli.config.settings import ROOT, merged
from cli.errors import CommandError
from cli.text import MALFORMED, TOKEN
from kit.net.tls import TLS
from kit.values.env import Env

ADMIN_PORT = 50054
AUTH_PORT = 4011
GATEWAY_PORT = 4000


@dataclass(frozen=True, slots=True)
class Access:
    """Addresses by the name of the process, and the credentials to call them.

    `auth` is the URL of the auth server: a Supabase project, or the local emulator. `emulator` is the
    URL of the emulator, or None with a Supabase project. `gateway` is the URL of the gateway, for
    commands that act as a member. Reading these writes no file, so that a container with a read-only
    file system can run the commands.
    """

    addresses: Mapping[str, str]
    tls: TLS
    emulator: str | None
    auth: str
    gateway: str
    service_role_key: str | None = field(repr=False)

    @classmethod
    def read(cls, env: Env) -> "Access":
        """Declare and read the variables; the environment of any process of the platform is enough."""
        addresses = {}
        for process in PROCESSES:
            if process.speaks == "grpc":
                port = env.port(
                    process.port, f"Port of {process.name} on this machine.", process.default_port
                )
                addresses[process.name] = env.text(
                    f"{process.name.upper()}_ADDRESS",
                    f"Address of {process.name} for operators' commands. By default, the local"
                    " one.",
                    f"127.0.0.1:{port}",
                )
        port = env.port(
            "WEBHOOKS_ADMIN_PORT", "Port of the webhooks' gRPC API for operators.", ADMIN_PORT
        )
        addresses["webhooks"] = env.text(
            "WEBHOOKS_ADMIN_ADDRESS",
            "Address (host:port) of the webhooks' gRPC API for operators. By default, the local"
            " one.",
            f"127.0.0.1:{port}",
        )
        home = ROOT / env.text("ESIMGO_HOME", "Folder of the local state.", ".local")
        project = env.optional("SUPABASE_URL", "URL of a real Supabase project.")
        auth = env.port("SANDBOX_AUTH_PORT", "Port of the auth emulator.", AUTH_PORT)
        local = f"http://127.0.0.1:{auth}"
        gateway = env.port("GATEWAY_PORT", "Port of the gateway on this machine.", GATEWAY_PORT)
        key = env.optional(
            "SUPABASE_SERVICE_ROLE_KEY", "Service role key of the system.", secret=True
        )
        return cls(
            addresses=addresses,
            tls=TLS.read(env),
            emulator=None if project else local,
            auth=project or local,
            gateway=env.url(
                "GATEWAY_URL",
                "URL of the gateway for `esimgo batches`. By default, the local one.",
                f"http://127.0.0.1:{gateway}",
            ),
            service_role_key=key or _local_key(home),
        )

    @property
    def key(self) -> str:
        """The service role key; raises CommandError if there is none on this machine, or a wrong one."""
        if self.service_role_key is None:
            raise CommandError(
                "there is no service role key: set SUPABASE_SERVICE_ROLE_KEY (or"
                " SUPABASE_SERVICE_ROLE_KEY_FILE), or start the system on this machine first",
                2,
            )
        if not TOKEN.fullmatch(self.service_role_key):
            raise CommandError(f"SUPABASE_SERVICE_ROLE_KEY {MALFORMED}", 2)
        return self.service_role_key


def load() -> Access:
    """Read the environment over .env; raise SettingsError, or SecretsError for a damaged file."""
    env = Env(merged(os.environ))
    access = Access.read(env)
    env.finish()
    return access


def _local_key(home: Path) -> str | None:
    """Return the key that `esimgo up` generated, if it ever ran on this machine."""
    if not (home / local_secrets.FILE).is_file():
        return None
    return local_secrets.load(home).service_role_key
