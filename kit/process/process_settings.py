"""The settings that every process has, whatever it does."""

from dataclasses import dataclass

from kit.telemetry.settings import TelemetrySettings
from kit.values.env import Env

LOG_LEVEL_HELP = "Log level: debug, info, warning or error."
APP_ENV_HELP = (
    "production or development. In development, the gateway serves the explorer and the schema"
    " and accepts pages of localhost; with LOG_LEVEL=debug, calls that block the event loop and"
    " coroutines that are never awaited are logged. `make up` and deploy/sandbox.env set it."
)


def is_development(env: Env) -> bool:
    """True if APP_ENV is development."""
    stages = ("production", "development")
    return env.choice("APP_ENV", APP_ENV_HELP, "production", stages) == "development"


@dataclass(frozen=True, slots=True)
class ProcessSettings:
    """The settings that every process has in addition to its own.

    `debugging` requires both LOG_LEVEL=debug and APP_ENV=development, because it costs speed and is of
    no use to operators.
    """

    log_level: str
    log_format: str
    debugging: bool
    telemetry: TelemetrySettings

    @classmethod
    def read(cls, env: Env, name: str, metrics_port: int) -> "ProcessSettings":
        """Read the settings of the process `name`. `metrics_port` is the default."""
        level = env.choice(
            "LOG_LEVEL", LOG_LEVEL_HELP, "info", ("debug", "info", "warning", "error")
        )
        return cls(
            log_level=level,
            log_format=env.choice(
                "LOG_FORMAT",
                "Log format: text for people, json for log collectors, or auto (text on a"
                " terminal, json elsewhere).",
                "auto",
                ("auto", "text", "json"),
            ),
            debugging=is_development(env) and level == "debug",
            telemetry=TelemetrySettings.read(env, name, metrics_port),
        )
