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

# Seconds for one batch, including retries.
EXPORT_TIMEOUT = 5.0
# Seconds to export the last spans when the process stops; orchestrators usually kill it after 30.
FLUSH_TIMEOUT = 5.0
# Seconds between two log lines about dropped spans.
LOG_EVERY = 60.0
# Characters that the name of a Prometheus label can't contain.
UNFIT = re.compile("[^a-zA-Z0-9]+")
PROJECT = Path(__file__).parents[2] / "pyproject.toml"


class Telemetry:
    """Metrics and spans of a process. One instance per process: OpenTelemetry's provider is global."""

    def __init__(self, settings: TelemetrySettings, tracers: TracerProvider | None) -> None:
        self._settings = settings
        self._tracers = tracers

    @classmethod
    def start(cls, settings: TelemetrySettings) -> "Telemetry":
        """Describe the process in `target_info`, and set the global tracer and W3C propagation.

        Spans are exported to the configured collector; without one, none are created.
        """
        resource = _resource(settings)
        propagate.set_global_textmap(TraceContextTextMapPropagator())
        # Drops a `_created` series per counter and histogram, which nothing reads.
        disable_created_metrics()  # type: ignore[no-untyped-call]  # untyped
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
        """Serve metrics within the block, then export the last spans within FLUSH_TIMEOUT."""
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
        # A daemon thread, because with a collector that hangs the SDK waits for 30 s.
        flushing = threading.Thread(target=self._tracers.shutdown, daemon=True)
        flushing.start()
        await asyncio.to_thread(flushing.join, FLUSH_TIMEOUT)
        if flushing.is_alive():
            logger.warning("the last spans could not be sent within %.0f s: dropped", FLUSH_TIMEOUT)


class Collector(SpanExporter):
    """Exports spans by OTLP over gRPC, and logs once a minute how many the collector did not accept."""

    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint
        self._exporter = OTLPSpanExporter(endpoint=endpoint, timeout=EXPORT_TIMEOUT)
        self._dropped = 0
        self._logged_at = float("-inf")
        # These loggers report every failed attempt, and every span that did not fit into the queue.
        for library in (
            "opentelemetry.exporter.otlp.proto.grpc.exporter",
            "opentelemetry.sdk._shared_internal",
        ):
            logging.getLogger(library).setLevel(logging.CRITICAL)

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Export one batch. Called by the span processor's thread."""
        result = self._exporter.export(spans)
        if result is not SpanExportResult.SUCCESS:
            self._dropped += len(spans)
            if time.monotonic() - self._logged_at >= LOG_EVERY:
                logger.warning(
                    "traces: the collector at %s does not accept spans; %d dropped",
                    self._endpoint,
                    self._dropped,
                )
                self._logged_at, self._dropped = time.monotonic(), 0
        return result

    def shutdown(self) -> None:
        self._exporter.shutdown()


def sampler(settings: TelemetrySettings) -> Sampler:
    """Return the sampler that OTEL_TRACES_SAMPLER names."""
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
    """Return the project's version, or "unknown" without its pyproject.toml."""
    try:
        return str(tomllib.loads(PROJECT.read_text())["project"]["version"])
    except (OSError, KeyError, tomllib.TOMLDecodeError):
        return "unknown"
