"""Answers to requests that came before in the same bytes, and got what is kept: nothing is parsed."""

import os
from collections.abc import Callable, Mapping
from email.utils import formatdate
from time import perf_counter, time

from aiohttp import HttpVersion11, web
from opentelemetry.util.types import AttributeValue

from gateway.public_answers import SHOWN, PublicAnswers, Shown
from gateway.rate_limits import RateLimits
from gateway.response_cache import Kept
from gateway.same_bytes import FORWARDED, ID, PARENT, STATE, Told, apart
from kit import http_tracing, tracing
from kit.auth import ANONYMOUS
from kit.errors import Failure
from kit.http_metrics import Requests
from kit.log import redact
from kit.request_id import GIVEN, MADE_UP

# Requests that are remembered, and bytes of one at most: with their texts 32 MB at the very worst.
REMEMBERED = 1_000
LARGEST = 16_384
# Who sends one of these wants more than the kept bytes, or may get others.
LONG_WAY = (
    *("Authorization", "Content-Encoding", "Cookie", "Expect", "GraphQL-Cost"),
    *("Transfer-Encoding", "Upgrade"),
)
# Stands in an answer's head where its id belongs; no header may hold it.
HOLE = "\0"
NOTHING: Told = {}


class Answer:
    """What was answered to a request. The body is where it is kept, or gone: it may be megabytes."""

    __slots__ = ("_after", "_age", "_before", "_headers", "_line", "_second", "attributes", "shown")

    def __init__(
        self,
        shown: Shown,
        response: web.StreamResponse,
        attributes: Mapping[str, AttributeValue],
    ) -> None:
        self.shown = shown
        self.attributes = attributes
        self._line = f"HTTP/1.1 {response.status} {response.reason}"
        self._headers = list(response.headers.items())
        self._age = self._second = -1
        self._before = self._after = b""

    def head(self, age: int, fit: str) -> bytes:
        """Its head when it is that old, with that id."""
        second = int(time())
        if second != self._second or age != self._age:
            self._render(age, second)
        return self._before + fit.encode() + self._after

    def _render(self, age: int, second: int) -> None:
        now = {"Age": str(age), "Date": formatdate(second, usegmt=True), "X-Request-Id": HOLE}
        lines = (f"{name}: {now.get(name, value)}" for name, value in self._headers)
        head = "\r\n".join((self._line, *lines, "", "")).encode()
        self._before, _, self._after = head.partition(HOLE.encode())
        self._age, self._second = age, second


class Lane:
    """What was asked in which bytes, and answered how; one object a process.

    The long way has found each of these requests to be well formed and allowed, and answered it with
    what is kept. What else differs from one such request to the next is looked at here.
    """

    def __init__(
        self,
        answers: PublicAnswers,
        limits: RateLimits,
        measured: Requests,
        *,
        stopping: Callable[[], bool],
        trusted: bool,
    ) -> None:
        self._answers = answers
        self._limits = limits
        self._measured = measured
        self._stopping = stopping
        self.waits = limits.elsewhere  # rates are counted where nothing can be asked at once
        self._trusted = trusted
        self._known: dict[bytes, Answer] = {}

    def learn(self, sent: bytes, request: web.Request, response: web.StreamResponse) -> None:
        """The request that came in these bytes gets that response, whose headers are complete."""
        shown, answered = request.get(SHOWN, (None, None))
        if shown is None or answered is not response or len(sent) > LARGEST:
            return
        if request.version != HttpVersion11 or not response.keep_alive:
            return
        if any(name in request.headers for name in LONG_WAY):
            return
        counting, _ = apart(sent) or (b"", NOTHING)
        if not counting or b"\r\n " in counting or b"\r\n\t" in counting:  # a line goes on there
            return
        if counting not in self._known and len(self._known) >= REMEMBERED:
            del self._known[next(iter(self._known))]
        attributes = self._measured.attributes(request, response.status)
        self._known[counting] = Answer(shown, response, attributes)

    def answer(self, sent: bytes, peer: str | None) -> tuple[bytes, bytes] | None:
        """Head and body of the answer to a request, which is counted as any other.

        None for what has to take the long way.
        """
        began = perf_counter()
        if self.waits or self._stopping():
            return None
        known, kept, told = self._find(sent)
        if known is None or kept is None:
            return None
        forwarded = (told[FORWARDED].decode(),) if FORWARDED in told else ()
        if not self._limits.take_now(peer, forwarded):
            return None
        given = told[ID].decode() if ID in told else ""
        fit = given if GIVEN.fullmatch(given) else os.urandom(MADE_UP).hex()
        if tracing.on():
            self._trace(known, told, fit)
        head = known.head(self._answers.again(kept), fit)
        self._measured.took(perf_counter() - began, known.attributes)
        return head, kept.body if known.shown.whole else b""

    async def later(self, sent: bytes, request: web.Request) -> web.Response | None:
        """Likewise where rates are counted elsewhere, for which aiohttp's request has to wait."""
        known, kept, _ = self._find(sent)
        if known is None or kept is None:
            return None
        try:
            await self._limits.take(request, ANONYMOUS)
        except Failure:
            return None  # nothing was counted, and the long way has the words for it
        return self._answers.repeated(request, known.shown.key, kept)

    def _find(self, sent: bytes) -> tuple[Answer | None, Kept | None, Told]:
        known, told = self._known.get(sent), NOTHING
        if known is None and self._known and len(sent) <= LARGEST:
            counting, told = apart(sent) or (b"", NOTHING)
            known = self._known.get(counting)
        kept = self._answers.still(known.shown, ANONYMOUS.role) if known is not None else None
        return known, kept, told

    def _trace(self, known: Answer, told: Told, fit: str) -> None:
        headers = {name.decode(): told[name].decode() for name in (PARENT, STATE) if name in told}
        attributes = known.attributes
        with http_tracing.begun(
            str(attributes["http.request.method"]),
            str(attributes["http.route"]),
            str(attributes["url.scheme"]),
            headers,
            trusted=self._trusted,
        ) as span:
            if span.recorded:
                span.set("esimgo.request.id", redact(fit))
            http_tracing.answered(span, int(str(attributes["http.response.status_code"])))
