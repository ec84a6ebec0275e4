"""What every process is told about its own observation: where metrics are read, where spans go."""

from dataclasses import dataclass, field
from urllib.parse import unquote

from kit.env import Env

# The names that OpenTelemetry's specification gives the samplers.
SAMPLERS = (
    "parentbased_always_on",
    "parentbased_traceidratio",
    "parentbased_always_off",
    "always_on",
    "traceidratio",
    "always_off",
)
OFF = "off"


@dataclass(frozen=True, slots=True)
class TelemetrySettings:
    """`metrics_port` and `endpoint` are None where nothing is served or sent; `ratio` is 0 to 1."""

    name: str
    metrics_host: str = "127.0.0.1"
    metrics_port: int | None = None
    endpoint: str | None = None
    sampler: str = SAMPLERS[0]
    ratio: float = 1.0
    attributes: dict[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, env: Env, name: str, metrics_port: int) -> "TelemetrySettings":
        """For the process `name`, whose variables start with its upper-case name."""
        return cls(
            name=name,
            metrics_host=env.text("METRICS_HOST", "The address to serve metrics on.", "127.0.0.1"),
            metrics_port=read_metrics_port(env, name, metrics_port),
            endpoint=env.url(
                "OTEL_EXPORTER_OTLP_ENDPOINT",
                "A collector's address for traces, over gRPC, such as http://localhost:4317; without it"
                " no spans are made.",
                "",
            )
            or None,
            sampler=env.choice(
                "OTEL_TRACES_SAMPLER", f"One of {', '.join(SAMPLERS)}.", SAMPLERS[0], SAMPLERS
            ),
            ratio=env.number(
                "OTEL_TRACES_SAMPLER_ARG",
                "The part of traces that a ratio sampler takes.",
                1,
                low=0,
                high=1,
            ),
            attributes=_attributes(env),
        )


def read_metrics_port(env: Env, name: str, default: int) -> int | None:
    """The port of a process's metrics, None where it serves none."""
    variable = f"{name.upper()}_METRICS_PORT"
    text = env.text(
        variable,
        f"The HTTP port of the metrics of {name}; 0 lets the system choose, {OFF} serves none. A taken"
        " port is told and tried again; nothing else waits for it.",
        str(default),
    )
    if text.lower() == OFF:
        return None
    if text.isascii() and text.isdigit() and int(text) <= 65535:
        return int(text)
    env.problems.append(f"{variable} must be a port from 0 to 65535, or {OFF}, not {text!r}")
    return default


def _attributes(env: Env) -> dict[str, str]:
    text = env.optional(
        "OTEL_RESOURCE_ATTRIBUTES",
        "What else every span and the metrics' target_info say of this process, as"
        " deployment.environment.name=shop,service.instance.id=gateway-1; without an instance's id"
        " one is made up at each start.",
    )
    found = {}
    for pair in (text or "").split(","):
        key, equals, value = pair.partition("=")
        if key.strip() and equals:
            found[key.strip()] = unquote(value.strip())
        elif pair.strip():
            env.problems.append(f"OTEL_RESOURCE_ATTRIBUTES: {pair.strip()!r} is no key=value")
    return found
