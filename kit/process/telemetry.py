"""The telemetry of a process: Prometheus metrics over HTTP, and OpenTelemetry spans to a collector."""

import asyncio
import logging
import re
import threading
import time
import tomllib
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from opentelemetry import propagate
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import (
    ALWAYS_OFF,
    ALWAYS_ON,
    ParentBased,
    Sampler,
    TraceIdRatioBased,
)
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from prometheus_client import Info, disable_created_metrics

from kit.process import metrics_endpoint
from kit.telemetry import metrics, process_metrics, tracing
from kit.telemetry.settings import TelemetrySettings

logger = logging.getLogger(__name__)

# Seconds for one batch, repeats included: a collector that is slower keeps later spans waiting.
EXPORT_TIMEOUT = 5.0
# Seconds that a stopping process gives its last spans; orchestrators mostly kill after thirty.
FLUSH_TIMEOUT = 5.0
# Seconds between two lines about spans that nobody takes.
TELL_EVERY = 60.0
# What may not stand in the name of a Prometheus label.
UNFIT = re.compile("[^a-zA-Z0-9]+")
PROJECT = Path(__file__).parents[2] / "pyproject.toml"


class Telemetry:
    """Metrics and spans of a process; one in a process, as OpenTelemetry's provider is global."""

    def __init__(self, settings: TelemetrySettings, tracers: TracerProvider | None) -> None:
        self._settings = settings
        self._tracers = tracers

    @classmethod
    def start(cls, settings: TelemetrySettings) -> "Telemetry":
        """Describe the process in `target_info`, and set the global tracer and W3C propagation.

        Spans go to the collector of the settings; without one none are made.
        """
        resource = _resource(settings)
        propagate.set_global_textmap(TraceContextTextMapPropagator())
        # One more series for each counter and histogram, which nothing reads.
        disable_created_metrics()  # type: ignore[no-untyped-call]  # published without types
        Info("target", "Target metadata", registry=metrics.registry()).info(
            {UNFIT.sub("_", name): str(value) for name, value in resource.attributes.items()}
        )
        tracers = None
        if settings.endpoint is not None:
            tracers = TracerProvider(sampler(settings), resource, shutdown_on_exit=False)
            tracers.add_span_processor(BatchSpanProcessor(Collector(settings.endpoint)))
            tracing.use_provider(tracers)
        return cls(settings, tracers)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Shows metrics within the block, and sends the last spans after it, within FLUSH_TIMEOUT."""
        try:
            async with AsyncExitStack() as parts:
                if (port := self._settings.metrics_port) is not None:
                    await parts.enter_async_context(process_metrics.measured())
                    await parts.enter_async_context(
                        metrics_endpoint.served(
                            metrics.registry(), self._settings.metrics_host, port
                        )
                    )
                yield
        finally:
            await self._flush()

    async def _flush(self) -> None:
        if self._tracers is None:
            return
        # A daemon, as a collector that hangs must not keep the process: the SDK waits half a minute.
        flushing = threading.Thread(target=self._tracers.shutdown, daemon=True)
        flushing.start()
        await asyncio.to_thread(flushing.join, FLUSH_TIMEOUT)
        if flushing.is_alive():
            logger.warning("the last spans could not be sent within %.0f s: dropped", FLUSH_TIMEOUT)


class Collector(SpanExporter):
    """OTLP over gRPC; spans that the collector doesn't take are dropped and told once a minute."""

    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint
        self._exporter = OTLPSpanExporter(endpoint=endpoint, timeout=EXPORT_TIMEOUT)
        self._dropped = 0
        self._told = float("-inf")
        # They tell every attempt at every batch, and every span that found the queue full.
        for library in (
            "opentelemetry.exporter.otlp.proto.grpc.exporter",
            "opentelemetry.sdk._shared_internal",
        ):
            logging.getLogger(library).setLevel(logging.CRITICAL)

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Called by the processor's own thread, one batch at a time."""
        result = self._exporter.export(spans)
        if result is not SpanExportResult.SUCCESS:
            self._dropped += len(spans)
            if time.monotonic() - self._told >= TELL_EVERY:
                logger.warning(
                    "traces: the collector at %s does not accept spans; %d dropped",
                    self._endpoint,
                    self._dropped,
                )
                self._told, self._dropped = time.monotonic(), 0
        return result

    def shutdown(self) -> None:
        self._exporter.shutdown()


def sampler(settings: TelemetrySettings) -> Sampler:
    """As OTEL_TRACES_SAMPLER names it."""
    kind = settings.sampler.removeprefix("parentbased_")
    if kind == "traceidratio":
        root: Sampler = TraceIdRatioBased(settings.ratio)
    else:
        root = ALWAYS_ON if kind == "always_on" else ALWAYS_OFF
    return ParentBased(root) if settings.sampler.startswith("parentbased_") else root


def _resource(settings: TelemetrySettings) -> Resource:
    return Resource(
        {
            "service.namespace": "esimgo",
            "service.name": settings.name,
            "service.version": version(),
            "service.instance.id": str(uuid.uuid4()),
            **settings.attributes,
        }
    )


def version() -> str:
    """The project's; "unknown" where its pyproject.toml was not brought along."""
    try:
        return str(tomllib.loads(PROJECT.read_text())["project"]["version"])
    except (OSError, KeyError, tomllib.TOMLDecodeError):
        return "unknown"
