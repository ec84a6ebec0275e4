"""One call of the provider's API, with its names in limits, metrics and traces."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from opentelemetry.trace import SpanKind
from opentelemetry.util.types import AttributeValue

from kit.errors import Failure
from kit.telemetry import tracing
from kit.telemetry.tracing import SpanScope
from providers.esim_go.errors import breakdown
from providers.esim_go.paths import template

Params = Mapping[str, str] | Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Call:
    """A request to the provider, the same in every attempt."""

    method: str
    path: str
    params: Params | None
    write: bool
    body: bytes | None = None

    @property
    def endpoint(self) -> str:
        return f"{self.method} {template(self.path)}"

    @property
    def resource(self) -> str:
        """Path and query. The provider may ask for a pause of calls for a single resource."""
        if not self.params:
            return self.path
        pairs = self.params.items() if isinstance(self.params, Mapping) else self.params
        return f"{self.path}?{sorted(pairs)}"

    @property
    def record(self) -> str | None:
        """The eSIM or order that a read is about; None for a write, and for a read of a list."""
        one = "{}" in self.endpoint or "reference" in dict(self.params or {})
        return self.resource if one and not self.write else None

    def span(self, attempt: int, server: str) -> SpanScope:
        """Start the span of one attempt, without the path, which would identify eSIMs and orders."""
        attributes: dict[str, AttributeValue] = {
            "http.request.method": self.method,
            "url.template": template(self.path),
            "server.address": server,
            "http.request.resend_count": attempt - 1,
        }
        return tracing.child_span(self.endpoint, attributes, SpanKind.CLIENT)

    def breakdown(self, reason: str, *, sent: bool = True) -> Failure:
        return breakdown(self.endpoint, reason, write=self.write, sent=sent)
