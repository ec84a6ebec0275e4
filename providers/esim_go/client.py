"""HTTP client of the provider, with rate limiting, retries and a circuit breaker."""

import logging
from typing import Any

import aiohttp
import stamina
from yarl import URL

from kit.errors import Failure, Kind
from kit.logs.episodes import Episodes
from kit.logs.log import redact
from kit.net import bounded_body
from kit.values import exact_json
from kit.values.clock import Clock
from providers.esim_go import responses
from providers.esim_go.call import Call, Params
from providers.esim_go.circuit import Circuit, State
from providers.esim_go.errors import refusal
from providers.esim_go.holds import HoldReport
from providers.esim_go.limits import retry_after
from providers.esim_go.metrics import Metrics
from providers.esim_go.pacing import Pacing
from providers.esim_go.paths import segment
from providers.esim_go.queue import Permit, Priority
from providers.esim_go.settings import KEY_MISSING, ProviderSettings, fits_header
from providers.esim_go.shared_tokens import SharedTokens

__all__ = ["Priority", "Provider", "ProviderSettings", "segment"]

log = logging.getLogger(__name__)
episodes = Episodes(log)

# Seconds. TCP and TLS handshakes across the world take well under a second.
CONNECT_TIMEOUT = 5.0
# Seconds. A timeout shorter than this says nothing about the provider's health.
MIN_JUDGED_TIMEOUT = 3.0


class Provider:
    """Calls the provider. Every method raises Failure with a PROVIDER_... reason.

    Reads are retried; writes never, because the provider has no idempotency key. `details` of a failure
    contain `endpoint`, and `provider_status` and `provider_message` if the provider responded.
    """

    def __init__(
        self,
        http: aiohttp.ClientSession,
        settings: ProviderSettings,
        *,
        shared: SharedTokens | None = None,
    ) -> None:
        if not fits_header(settings.api_key):
            raise ValueError(f"{KEY_MISSING}: set ESIM_GO_API_KEY")
        self._http = http
        self._settings = settings
        self._server = URL(settings.base_url).host or ""
        self._clock = Clock()
        self._metrics = Metrics()
        self.holds = HoldReport(self._clock, self._metrics)
        self._pacing = Pacing(
            self._clock,
            self._metrics.tokens,
            shared,
            report=self.holds,
            longest_hold=settings.longest_hold,
        )
        self._circuit = Circuit(
            settings.circuit_threshold, settings.circuit_seconds, self._circuit_changed
        )

    @property
    def circuit(self) -> State:
        """State of the circuit breaker."""
        return self._circuit.state

    def held(self, method: str, path: str) -> float:
        """Return the seconds for which such a call is held back because the provider requested a pause.

        Infinity while another call probes whether calls succeed again.
        """
        call = Call(method, path, None, write=method != "GET")
        return self._pacing.held(call.endpoint, call.resource)

    async def get(
        self,
        path: str,
        params: Params | None = None,
        *,
        timeout: float | None = None,
        priority: Priority = Priority.READ,
        retry: bool = True,
    ) -> Any:
        """Return the JSON of the response, with fractions as Decimal.

        `path` starts with a slash and is relative to the base URL; quote values in it with `segment`.
        `timeout` limits the whole call, in seconds: up to half of it for the rate limit, the rest for
        the attempts. Use `retry=False` for a GET that has a side effect.
        """
        call = Call("GET", path, params, write=False)
        seconds = self._settings.timeout if timeout is None else timeout
        deadline = self._clock.now() + seconds
        # Remaining attempts. A refusal by the rate limit does not count as one.
        left = self._settings.attempts if retry else 1

        def should_retry(error: Exception) -> bool | float:
            nonlocal left
            if not isinstance(error, Failure) or error.reason == "PROVIDER_CIRCUIT_OPEN":
                return False
            if error.kind not in (Kind.UNAVAILABLE, Kind.EXHAUSTED):
                return False
            left -= error.kind == Kind.UNAVAILABLE
            if left == 0 or not retry:
                return False
            pause = error.retry_after or 0.0
            if self._clock.now() + pause >= deadline:
                return False
            return pause or True  # True: stamina's own backoff with jitter

        async for attempt in stamina.retry_context(
            on=should_retry, attempts=None, timeout=seconds, wait_max=2.0, wait_jitter=0.5
        ):
            with attempt:
                return await self._attempt(call, attempt.num, deadline, priority, last=left == 1)
        raise AssertionError("stamina returns or raises")

    async def send(
        self,
        method: str,
        path: str,
        *,
        params: Params | None = None,
        json: Any = None,
        timeout: float | None = None,
        priority: Priority = Priority.WRITE,
    ) -> Any:
        """Make a write once and return its JSON; Decimals are sent with all their digits.

        `timeout` is as in `get`. Raises Failure UNCLEAR if the write may or may not have been carried out;
        after UNAVAILABLE, EXHAUSTED and refusals it definitely was not.
        """
        body = None if json is None else exact_json.dumps(json).encode()
        call = Call(method, path, params, write=True, body=body)
        seconds = self._settings.timeout if timeout is None else timeout
        return await self._attempt(call, 1, self._clock.now() + seconds, priority, last=True)

    async def _attempt(
        self, call: "Call", number: int, deadline: float, priority: Priority, *, last: bool
    ) -> Any:
        with call.span(number, self._server) as span:
            started = self._clock.now()
            status: int | None = None
            try:
                self._circuit.check()  # before the queue, so that calls fail fast in an outage
                # At most half the time in the queue: a write sent too late would end as UNCLEAR.
                latest = started + (deadline - started) / 2
                async with self._pacing.permit(
                    call.endpoint, call.resource, priority, latest
                ) as permit:
                    self._metrics.waited(waited := self._clock.now() - started)
                    span.set("esimgo.provider.wait", waited)
                    started = self._clock.now()
                    left = max(deadline - started, 0.001)
                    # At most half the remaining time, so that a read that hangs can be retried.
                    seconds = left if last else left / 2
                    try:
                        with self._circuit.passage(lambda f: self._judge(f, call, permit, seconds)):
                            return await self._exchange(call, permit, seconds)
                    finally:
                        status = permit.status
                        if status is not None:
                            span.set("http.response.status_code", status)
                        took = self._clock.now() - started
                        self._metrics.answered(call.endpoint, status, took)
                        if log.isEnabledFor(logging.DEBUG):
                            log.debug(
                                "provider: %s path=%s status=%s after=%dms attempt=%d",
                                *(call.endpoint, redact(call.path), status, took * 1000, number),
                            )
            except Failure as failure:
                self._metrics.failed(call.endpoint, failure.reason)
                if failure.reason == "PROVIDER_CIRCUIT_OPEN":
                    raise  # logged once by the circuit breaker
                episodes.record(
                    f"provider call failed: {call.endpoint} {failure.reason}",
                    "provider call failed: %s path=%s status=%s reason=%s after=%dms attempt=%d",
                    call.endpoint,
                    redact(call.path),
                    status,
                    failure.reason,
                    (self._clock.now() - started) * 1000,
                    number,
                )
                raise

    async def _exchange(self, call: "Call", permit: Permit, seconds: float) -> Any:
        """Send one request and return its JSON; converts errors of aiohttp and HTTP to failures."""
        url = URL(self._settings.base_url.rstrip("/") + call.path, encoded=True)
        headers = {"X-API-Key": self._settings.api_key, "Accept": "application/json"}
        headers |= bounded_body.ACCEPT_ENCODING
        if call.body is not None:
            headers["Content-Type"] = "application/json"
        try:
            async with self._http.request(
                call.method,
                url.with_query(call.params) if call.params else url,
                data=call.body,
                headers=headers,
                allow_redirects=False,  # never send the key elsewhere
                timeout=aiohttp.ClientTimeout(total=seconds, connect=min(CONNECT_TIMEOUT, seconds)),
                middlewares=(responses.send_once,),
                auto_decompress=False,
            ) as response:
                permit.answered(response.status, response.headers)
                body = await responses.read(response, self._settings.answer_bytes)
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise call.breakdown("PROVIDER_UNREACHABLE", sent=False) from error
        except TimeoutError as error:
            raise call.breakdown("PROVIDER_TIMEOUT") from error
        except aiohttp.ClientError as error:
            raise call.breakdown("PROVIDER_UNREACHABLE") from error
        except bounded_body.UnreadableBodyError as error:
            episodes.record(
                "a provider response can't be parsed", "a provider response can't be parsed: %s: %s",
                call.endpoint, error,
            )  # fmt: skip
            raise call.breakdown("PROVIDER_BAD_ANSWER") from error
        if not responses.is_success(response):
            raise refusal(
                call.endpoint,
                response.status,
                responses.text(body),
                write=call.write,
                retry_after=retry_after(
                    response.headers, self._clock.wall(), self._settings.longest_hold
                ),
                secrets=(self._settings.api_key,),
            )
        if response.status == 204:
            return None
        try:
            return responses.parse(body, self._settings.answer_bytes)
        except ValueError as error:
            raise call.breakdown("PROVIDER_BAD_ANSWER") from error

    def _judge(self, failure: Failure, call: "Call", permit: Permit, seconds: float) -> bool | None:
        """Return whether a failure means that the provider is healthy, broken, or neither (None)."""
        responded = permit.status is not None
        if (
            not responded
            and failure.reason != "PROVIDER_UNREACHABLE"
            and seconds < MIN_JUDGED_TIMEOUT
        ):
            return None
        # With Retry-After the provider works, but is still processing the resource.
        if failure.kind not in (Kind.UNAVAILABLE, Kind.UNCLEAR) or failure.retry_after is not None:
            return True
        # One eSIM or order that the provider can't return is no outage, however often it is read.
        if responded and call.record is not None and self._circuit.failed_before(call.record):
            return None
        return False

    def _circuit_changed(self, state: State) -> None:
        self._metrics.circuit(state)
        if state == "open":
            episodes.record("provider circuit is open", "provider circuit is open", lasting=True)
        elif state == "closed":
            episodes.resolve("provider circuit is open", "provider circuit is closed")
