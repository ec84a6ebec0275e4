"""Settings of every process for metrics and traces."""

from dataclasses import dataclass, field
from urllib.parse import unquote

from kit.values.env import Env

# The samplers of OpenTelemetry's specification.
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
    """`metrics_port` and `endpoint` are None if disabled; `ratio` is from 0 to 1."""

    name: str
    metrics_host: str = "127.0.0.1"
    metrics_port: int | None = None
    endpoint: str | None = None
    sampler: str = SAMPLERS[0]
    ratio: float = 1.0
    attributes: dict[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, env: Env, name: str, metrics_port: int) -> "TelemetrySettings":
        """Read the settings of the process `name`, whose variables start with its upper-case name."""
        return cls(
            name=name,
            metrics_host=env.text("METRICS_HOST", "Address to serve metrics on.", "127.0.0.1"),
            metrics_port=read_metrics_port(env, name, metrics_port),
            endpoint=env.url(
                "OTEL_EXPORTER_OTLP_ENDPOINT",
                "OTLP/gRPC endpoint of a trace collector, such as http://localhost:4317. By"
                " default, tracing is disabled.",
                "",
            )
            or None,
            sampler=env.choice(
                "OTEL_TRACES_SAMPLER", f"One of {', '.join(SAMPLERS)}.", SAMPLERS[0], SAMPLERS
            ),
            ratio=env.number(
                "OTEL_TRACES_SAMPLER_ARG",
                "Fraction of traces that a ratio-based sampler records.",
                1,
                low=0,
                high=1,
            ),
            attributes=_attributes(env),
        )


def read_metrics_port(env: Env, name: str, default: int) -> int | None:
    """Read the port of a process's metrics; None if it is disabled."""
    variable = f"{name.upper()}_METRICS_PORT"
    text = env.text(
        variable,
        f"HTTP port for the metrics of {name}; 0 lets the operating system choose, {OFF} disables"
        " the endpoint. If the port is in use, this is logged and listening is retried; the"
        " service starts regardless.",
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
        "Additional resource attributes of spans and of the metrics' target_info, such as"
        " deployment.environment.name=shop,service.instance.id=gateway-1. By default, a random"
        " instance id is generated at each start.",
    )
    found = {}
    for pair in (text or "").split(","):
        key, equals, value = pair.partition("=")
        if key.strip() and equals:
            found[key.strip()] = unquote(value.strip())
        elif pair.strip():
            env.problems.append(
                f"OTEL_RESOURCE_ATTRIBUTES: {pair.strip()!r} must have the form key=value"
            )
    return found
