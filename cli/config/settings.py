"""Settings of the commands that run the platform on this machine."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from cli.config import env_files
from cli.config.processes import PROCESSES
from kit.net.tls import PLAIN, TLS
from kit.telemetry.settings import read_metrics_port
from kit.values.addresses import POSTGRESQL
from kit.values.env import FILE_SUFFIX, Env

ROOT = Path(__file__).parents[2]
SUPABASE = ("SUPABASE_URL", "SUPABASE_ANON_KEY", "SUPABASE_SERVICE_ROLE_KEY")


@dataclass(frozen=True, slots=True)
class LocalSettings:
    """Which services are real, and the ports of everything that runs on this machine.

    `values` are the environment over the file .env, without empty ones. `ports` are by the name of
    their variable, `metrics_ports` by the name of the process. `database_url` has an administrator's
    login, and is None for the bundled PostgreSQL.
    """

    values: Mapping[str, str] = field(repr=False)
    home: Path
    ports: Mapping[str, int]
    sandbox_catalogue: Path | None
    real_provider: bool
    real_supabase: bool
    database_url: str | None = field(repr=False)
    webhook_secret: str | None = field(repr=False)
    metrics_ports: Mapping[str, int] = field(default_factory=dict)
    tls: TLS = PLAIN
    # True if the payment sandbox is started.
    payments_sandbox: bool = False

    @classmethod
    def read(cls, env: Env, values: Mapping[str, str]) -> "LocalSettings":
        """Read the variables. Adds problems to `env` for settings that contradict each other."""
        ports = _read_ports(env)
        metrics = {
            process.name: read_metrics_port(env, process.name, process.metrics_port)
            for process in PROCESSES
        }
        home = Path(
            env.text(
                "ESIMGO_HOME",
                "Folder, relative to the project's, of the state of everything that runs locally.",
                ".local",
            )
        )
        catalogue = env.optional(
            "SANDBOX_CATALOGUE",
            "File of bundles in the provider's format that the sandbox sells instead of the built-in ones.",
        )
        real_provider, real_supabase = _has_provider(env), _has_supabase(env)
        settings = cls(
            values=values,
            home=(ROOT / home).resolve(),
            ports=ports,
            sandbox_catalogue=Path(catalogue).resolve() if catalogue else None,
            real_provider=real_provider,
            real_supabase=real_supabase,
            database_url=env.url(
                "DATABASE_URL",
                "URL of a PostgreSQL server with an administrator's login. By default a"
                " bundled server is started.",
                "",
                schemes=POSTGRESQL,
                secret=True,
            )
            or None,
            webhook_secret=env.optional(
                "ESIM_GO_WEBHOOK_SECRET",
                "Key of the callbacks' signatures. Defaults to the API key.",
                secret=True,
            ),
            # A port of 0 is chosen by the system and unknown here.
            metrics_ports={name: port for name, port in metrics.items() if port},
            tls=TLS.read(env),
            payments_sandbox=_needs_payments_sandbox(env, real_provider=real_provider),
        )
        if settings.sandbox_catalogue and not settings.sandbox_catalogue.is_file():
            env.problems.append(f"SANDBOX_CATALOGUE: there is no file {catalogue}")
        return settings

    def address(self, port: str) -> str:
        """Return the address of the process with that port variable."""
        return f"127.0.0.1:{self.ports[port]}"

    def own_ports(self) -> dict[str, int]:
        """Return the ports that `esimgo up` needs: those of everything that it starts."""
        left_out = {
            "SANDBOX_PORT": self.real_provider,
            "SANDBOX_AUTH_PORT": self.real_supabase,
            "SANDBOX_PAYMENTS_PORT": not self.payments_sandbox,
        }
        return {name: port for name, port in self.ports.items() if not left_out.get(name)}


def merged(
    environment: Mapping[str, str] = os.environ, file: Path = ROOT / ".env"
) -> dict[str, str]:
    """Return the environment over the file .env; an empty value counts as absent."""
    return {**_filled(env_files.read(file)), **_filled(environment)}


def load(environment: Mapping[str, str] = os.environ) -> LocalSettings:
    """Read the machine's settings; raise kit.values.env.SettingsError with every problem."""
    values = merged(environment)
    env = Env(values)
    settings = LocalSettings.read(env, values)
    env.finish()
    return replace(settings, values=_without_files(values, env.from_files))


def _without_files(values: dict[str, str], known: Mapping[str, str]) -> dict[str, str]:
    """Replace variables that name a secret's file by the secret, for the processes that are started."""
    names = [name for name in values if name.endswith(FILE_SUFFIX)]
    found = dict(known)
    if any(name.removesuffix(FILE_SUFFIX) not in found for name in names):
        for process in PROCESSES:
            found |= process.read(values)[0].from_files
    rest = {
        n: v for n, v in values.items() if n not in names or n[: -len(FILE_SUFFIX)] not in found
    }
    return rest | found


def _filled(values: Mapping[str, str | None]) -> dict[str, str]:
    return {name: value for name, value in values.items() if value and value.strip()}


def _read_ports(env: Env) -> dict[str, int]:
    ports = {
        process.port: _port(env, process.port, process.name, process.default_port)
        for process in PROCESSES
    }
    ports["WEBHOOKS_ADMIN_PORT"] = _port(
        env, "WEBHOOKS_ADMIN_PORT", "the webhooks' gRPC API for operators", 50054
    )
    ports["SANDBOX_PORT"] = _port(env, "SANDBOX_PORT", "the provider sandbox", 4010)
    ports["SANDBOX_AUTH_PORT"] = _port(env, "SANDBOX_AUTH_PORT", "the auth emulator", 4011)
    ports["SANDBOX_PAYMENTS_PORT"] = _port(
        env, "SANDBOX_PAYMENTS_PORT", "the payment sandbox", 4012
    )
    names: dict[int, str] = {}
    for name, port in ports.items():
        if (other := names.setdefault(port, name)) != name:
            env.problems.append(f"{name} and {other} are both {port}: change one of them")
    return ports


def _has_provider(env: Env) -> bool:
    """True if the real provider is configured rather than the sandbox."""
    key = env.optional(
        "ESIM_GO_API_KEY",
        "API key of eSIM Go. If set, the real provider is called; otherwise the sandbox"
        " is started.",
        secret=True,
    )
    address = env.optional(
        "ESIM_GO_BASE_URL", "Base URL of the provider's API, if it is not the usual one."
    )
    if address and not key:
        env.problems.append(
            "eSIM Go API key not configured: ESIM_GO_BASE_URL is set, so set ESIM_GO_API_KEY"
            " too (or neither, for the sandbox)"
        )
    return key is not None


def _needs_payments_sandbox(env: Env, *, real_provider: bool) -> bool:
    """True if customers pay, but neither with real cards nor for real eSIMs."""
    mode = env.optional(
        "PAYMENTS",
        "off or required: whether customers pay for their orders. With the provider's sandbox, the default is"
        " off, and required starts the payment sandbox unless STRIPE_SECRET_KEY is set.",
    )
    key = env.optional(
        "STRIPE_SECRET_KEY",
        "Secret or restricted API key of your Stripe account (sk_... or rk_...). Without it, cards can only"
        " be simulated: PAYMENTS=required starts the payment sandbox, if the provider is a sandbox too.",
        secret=True,
    )
    return (mode or "").lower() == "required" and key is None and not real_provider


def _has_supabase(env: Env) -> bool:
    """True if a real Supabase project is configured rather than the auth emulator."""
    supabase = {
        name: env.optional(name, help_, secret=name != "SUPABASE_URL")
        for name, help_ in zip(
            SUPABASE,
            (
                "URL of a real Supabase project. By default the auth emulator is started.",
                "Anon (publishable) key of that project.",
                "Service role (secret) key of that project.",
            ),
            strict=True,
        )
    }
    if any(supabase.values()) and not all(supabase.values()):
        missing = " and ".join(name for name in SUPABASE if not supabase[name])
        env.problems.append(
            f"a Supabase project requires {', '.join(SUPABASE)} together: set {missing} (or"
            " none of them, to use the auth emulator)"
        )
    return all(supabase.values())


def _port(env: Env, name: str, process: str, default: int) -> int:
    # Not 0: other processes and tokens contain the address, so it must be known and stay the same.
    return env.integer(name, f"Port of {process} on this machine.", default, low=1, high=65535)
