"""Calls of Stripe's API through its official library: each with its span, metrics and errors."""

import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import aiohttp
import stripe
from opentelemetry.trace import SpanKind
from yarl import URL

from kit.errors import Failure
from kit.logs.episodes import Episodes
from kit.telemetry import tracing
from services.orders.payments.stripe import errors
from services.orders.payments.stripe.metrics import Metrics
from services.orders.payments.stripe.settings import StripeSettings
from services.orders.payments.stripe.shapes import Shape, ShapeError
from services.orders.payments.stripe.transport import Transport

log = logging.getLogger(__name__)
episodes = Episodes(log)

# The version for which this adapter was written. Webhook events have the version of their endpoint, but
# everything that counts is read again with this one.
API_VERSION = "2026-10-28.endive"
PAGE = 100
# Pages of one listing: 50,000 objects.
MAX_PAGES = 500

Method = Callable[..., Awaitable[Any]]
Row = TypeVar("Row")


class API:
    """Makes calls and raises Failure. No call is repeated: the callers of the port do, with the same key."""

    def __init__(self, http: aiohttp.ClientSession, settings: StripeSettings) -> None:
        # Otherwise the library sends a lasting id of this machine, which it writes to a file.
        stripe.enable_telemetry = False
        # At level debug the library logs whole answers, with client secrets.
        logging.getLogger("stripe").setLevel(logging.WARNING)
        names = ("api", "connect", "files", "meter_events")
        addresses: Any = dict.fromkeys(names, settings.base_url)
        client = stripe.StripeClient(
            settings.api_key,
            stripe_version=API_VERSION,
            base_addresses=addresses,
            max_network_retries=0,
            http_client=Transport(http, settings.timeout),
        )
        # The library types parameters by endpoint; here they are built from values, and checked by tests
        # against a server that refuses unknown ones.
        self.v1: Any = client.v1
        self._server = URL(settings.base_url).host or ""
        self._live = settings.live
        self._metrics = Metrics()

    async def read(self, endpoint: str, method: Method, *arguments: Any, kind: str) -> Shape:
        """Call a GET and return its object of that `kind`."""
        return await self._call(endpoint, method, arguments, kind, {}, write=False)

    async def write(
        self, endpoint: str, method: Method, *arguments: Any, kind: str, key: str
    ) -> Shape:
        """Call a POST under an idempotency key, and return its object of that `kind`."""
        options = {"idempotency_key": key}
        return await self._call(endpoint, method, arguments, kind, options, write=True)

    async def rows(
        self, endpoint: str, method: Method, params: dict[str, Any], *, kind: str
    ) -> AsyncIterator[Shape]:
        """Yield the objects of a listing, the newest first."""
        after: dict[str, str] = {}
        for _ in range(MAX_PAGES):
            page = await self.read(
                endpoint, method, {**params, **after, "limit": PAGE}, kind="list"
            )
            last = ""
            with self.checked(endpoint):
                found, more = page.rows("data"), page.flag("has_more")
            for row in found:
                with self.checked(endpoint):
                    row.expect(kind, live=self._live)
                    last = row.id()
                yield row
            if not more or not last or last == after.get("starting_after"):
                return
            after = {"starting_after": last}
        raise self._bad(endpoint, "the listing does not end", write=False)

    @contextmanager
    def checked(self, endpoint: str, *, write: bool = False) -> Iterator[None]:
        """Convert ShapeError within the block to a failure, and log what is wrong with the answer."""
        problem = ""
        try:
            yield
        except ShapeError as error:
            problem = str(error)
        if problem:
            raise self._bad(endpoint, problem, write=write)

    async def readable(
        self,
        endpoint: str,
        method: Method,
        params: dict[str, Any],
        convert: Callable[[Shape], Row],
        *,
        kind: str,
    ) -> AsyncIterator[Row]:
        """Yield the converted objects of a listing; one that is not as documented is logged and left out."""
        async for shape in self.rows(endpoint, method, params, kind=kind):
            try:
                row = convert(shape)
            except ShapeError as error:
                self._bad(endpoint, str(error), write=False)
            else:
                yield row

    def _bad(self, endpoint: str, problem: str, *, write: bool) -> Failure:
        episodes.record(
            f"an answer of Stripe is not as documented: {endpoint}",
            "an answer of Stripe is not as documented: %s: %s",
            endpoint,
            problem,
            level=logging.ERROR,
        )
        failure = errors.broken(endpoint, write=write)
        self._metrics.failed(endpoint, failure.reason)
        return failure

    async def _call(
        self,
        endpoint: str,
        method: Method,
        arguments: tuple[Any, ...],
        kind: str,
        options: dict[str, Any],
        *,
        write: bool,
    ) -> Shape:
        attributes = {
            "http.request.method": endpoint.partition(" ")[0],
            "url.template": endpoint.partition(" ")[2],
            "server.address": self._server,
        }
        with tracing.child_span(endpoint, attributes, SpanKind.CLIENT) as span:
            started = time.monotonic()
            answer, failure, status = await self._made(endpoint, method, arguments, options, write)
            if status is not None:
                span.set("http.response.status_code", status)
            self._metrics.answered(endpoint, status, time.monotonic() - started)
            if failure is not None:
                self._metrics.failed(endpoint, failure.reason)
                episodes.record(
                    f"a call to Stripe failed: {endpoint} {failure.reason}",
                    "a call to Stripe failed: %s status=%s reason=%s code=%s request=%s",
                    endpoint,
                    status,
                    failure.reason,
                    failure.details.get("provider_code", ""),
                    failure.details.get("provider_request", ""),
                )
                raise failure
            with self.checked(endpoint, write=write):
                shape = Shape(answer, kind)
                shape.expect(kind, live=self._live)
            return shape

    async def _made(
        self,
        endpoint: str,
        method: Method,
        arguments: tuple[Any, ...],
        options: dict[str, Any],
        write: bool,
    ) -> tuple[Any, Failure | None, int | None]:
        """Return the answer as plain values, or the failure; and the status, None without a response.

        The failure is not raised within the handler: errors of the library contain bodies, and a traceback
        would show them as its context.
        """
        try:
            response = (await method(*arguments, options=options)).last_response
        except stripe.StripeError as error:
            return None, errors.failure(error, endpoint, write=write), error.http_status
        except (
            *(TimeoutError, aiohttp.ClientError, ValueError, TypeError, AttributeError, KeyError),
            RecursionError,
        ):
            # The library's own handling of an answer failed, such as of a JSON array or deep nesting.
            return None, errors.broken(endpoint, write=write), None
        return response.data, None, response.code
