"""The telemetry of a process: Prometheus metrics over HTTP, and OpenTelemetry spans to a collector."""

import asyncio
import logging
import re
import threading
import tomllib
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from prometheus_client import Info, disable_created_metrics

from kit.process import metrics_endpoint
from kit.telemetry import metrics, process_metrics
from kit.telemetry.settings import TelemetrySettings

logger = logging.getLogger(__name__)

# Seconds to export the last spans when the process stops; orchestrators usually kill it after 30.
FLUSH_TIMEOUT = 5.0
# Characters that the name of a Prometheus label can't contain.
UNFIT = re.compile("[^a-zA-Z0-9]+")
PROJECT = Path(__file__).parents[2] / "pyproject.toml"


class Telemetry:
    """Metrics and spans of a process. One instance per process: OpenTelemetry's provider is global."""

    def __init__(
        self, settings: TelemetrySettings, shut_down_spans: Callable[[], None] | None
    ) -> None:
        self._settings = settings
        self._shut_down_spans = shut_down_spans

    @classmethod
    def start(cls, settings: TelemetrySettings) -> "Telemetry":
        """Describe the process in `target_info`, and export spans to the configured collector.

        Without a collector, no spans are created.
        """
        attributes = _attributes(settings)
        # Drops a `_created` series per counter and histogram, which nothing reads.
        disable_created_metrics()  # type: ignore[no-untyped-call]  # untyped
        Info("target", "Target metadata", registry=metrics.registry()).info(
            {UNFIT.sub("_", name): value for name, value in attributes.items()}
        )
        if settings.endpoint is None:
            return cls(settings, None)
        # Loading OpenTelemetry's SDK takes as long as loading all the other libraries of a small process.
        from kit.process import collector

        return cls(settings, collector.export_spans(settings, settings.endpoint, attributes))

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
        if self._shut_down_spans is None:
            return
        # A daemon thread, because with a collector that hangs the SDK waits for 30 s.
        flushing = threading.Thread(target=self._shut_down_spans, daemon=True)
        flushing.start()
        await asyncio.to_thread(flushing.join, FLUSH_TIMEOUT)
        if flushing.is_alive():
            logger.warning("the last spans could not be sent within %.0f s: dropped", FLUSH_TIMEOUT)


def _attributes(settings: TelemetrySettings) -> Mapping[str, str]:
    """Return the attributes that identify the process, by OpenTelemetry's names."""
    return {
        "service.namespace": "esimgo",
        "service.name": settings.name,
        "service.version": version(),
        "service.instance.id": str(uuid.uuid4()),
        **settings.attributes,
    }


def version() -> str:
    """Return the project's version, or "unknown" without its pyproject.toml."""
    try:
        return str(tomllib.loads(PROJECT.read_text())["project"]["version"])
    except (OSError, KeyError, tomllib.TOMLDecodeError):
        return "unknown"
