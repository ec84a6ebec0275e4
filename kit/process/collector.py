"""Export of spans to an OpenTelemetry collector, by OTLP over gRPC."""

import logging
import time
from collections.abc import Callable, Mapping, Sequence

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

from kit.telemetry import tracing
from kit.telemetry.settings import TelemetrySettings

logger = logging.getLogger(__name__)

# Seconds for one batch, including retries.
EXPORT_TIMEOUT = 5.0
# Seconds between two log lines about dropped spans.
LOG_EVERY = 60.0


def export_spans(
    settings: TelemetrySettings, endpoint: str, attributes: Mapping[str, str]
) -> Callable[[], None]:
    """Create and export spans from now on; return what exports the last ones and ends the export."""
    tracers = TracerProvider(sampler(settings), Resource(attributes), shutdown_on_exit=False)
    tracers.add_span_processor(BatchSpanProcessor(Collector(endpoint)))
    tracing.use_provider(tracers)
    return tracers.shutdown


class Collector(SpanExporter):
    """Exports spans, and logs once a minute how many the collector did not accept."""

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
