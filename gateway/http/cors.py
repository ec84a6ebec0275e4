"""CORS: which pages of other web origins may call the gateway, and the headers that say so."""

import logging
import re
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from aiohttp import web

logger = logging.getLogger(__name__)

METHODS = "GET, POST"
# Sent to refused origins too, so that a preflight's response doesn't depend on the origin.
DEFAULT_HEADERS = (
    "Authorization, Content-Type, Idempotency-Key, X-Request-Id, GraphQL-Cost,"
    " Apollo-Require-Preflight, X-Apollo-Operation-Name"
)
# Seconds that browsers may cache a preflight's response: one day.
PREFLIGHT_SECONDS = "86400"
# Response headers that a page may read.
READABLE = ", ".join(
    (
        *("X-Request-Id", "Retry-After", "GraphQL-Cost", "Content-Disposition"),
        *("Export-As-Of", "Export-Time-Zone", "Export-Complete"),
    )
)
# Scheme, host and optional port, as browsers send them.
ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^\s/,?#@]+", re.IGNORECASE)
# A page served on the developer's own machine, on any port.
LOOPBACK = re.compile(
    r"https?://(([a-z0-9-]+\.)*localhost|127\.0\.0\.1|\[::1\])(:\d{1,5})?", re.IGNORECASE
)
# Browsers omit these from an origin.
DEFAULT_PORTS = {"http": "80", "https": "443"}
# Stands for all loopback origins in GATEWAY_CORS_ORIGINS.
LOCALHOST = "localhost"
# Refused origins that are logged. Bounded, because any client can invent origins.
MAX_LOGGED = 20
# The origin of forms on a page that sends no referrer, such as that of a share link, and of sandboxed pages.
# It can't be allowed by name.
OPAQUE = "null"
# Characters of a refused origin in a log line.
MAX_LOGGED_LENGTH = 100


@dataclass(frozen=True, slots=True)
class Origins:
    """Web origins whose pages may call the gateway: named ones, those on this machine, or all."""

    named: frozenset[str] = frozenset()
    loopback: bool = False
    every: bool = False

    @property
    def none(self) -> bool:
        """True if no page of another origin may call the gateway."""
        return not (self.named or self.loopback or self.every)

    @classmethod
    def parse(cls, text: str) -> "Origins":
        """Parse a comma-separated list of origins, `localhost` and `*`; raise ValueError for others."""
        entries = [entry for part in text.split(",") if (entry := part.strip().rstrip("/"))]
        named = [entry for entry in entries if entry not in ("*", LOCALHOST)]
        sent = {entry: _as_sent(entry) for entry in named}
        if invalid := [entry for entry in named if sent[entry] is None]:
            raise ValueError(
                f"{', '.join(invalid)} is not a web origin: use the scheme and host of the page's"
                " address, such as https://shop.example"
            )
        return cls(
            frozenset(filter(None, sent.values())), LOCALHOST in entries, every="*" in entries
        )

    def allow(self, origin: str) -> bool:
        """True if pages of this origin may call the gateway."""
        if self.every or origin.lower() in self.named:
            return True
        return self.loopback and LOOPBACK.fullmatch(origin) is not None

    def __str__(self) -> str:
        entries = ["*"] * self.every + [LOCALHOST] * self.loopback + sorted(self.named)
        return ", ".join(entries) or "none"


@dataclass(slots=True)
class Pages:
    """Checks the origin of requests, and logs each refused origin once."""

    origins: Origins
    _logged: set[str] = field(default_factory=set)

    def allowed(self, request: web.Request) -> bool:
        """True if the request comes from no page, from the gateway's own page, or from an allowed origin."""
        origin = request.headers.get("Origin")
        if origin is None or own(origin, request.host) or self.origins.allow(origin):
            return True
        self._log(origin)
        return False

    def mark(self, request: web.Request, response: web.StreamResponse) -> None:
        """Add the headers that let the sending page read the response."""
        origin = request.headers.get("Origin")
        allowed = origin is not None and self.allowed(request)
        if self.origins.none:
            return  # so caches may share responses between origins
        _vary(response, "Origin")
        if origin is None or not allowed:
            return
        response.headers["Access-Control-Allow-Origin"] = origin
        response.headers["Access-Control-Expose-Headers"] = READABLE

    async def preflight(self, request: web.Request) -> web.Response:
        """Answer a browser's preflight (OPTIONS) request."""
        response = web.Response(
            status=204,
            headers={
                "Access-Control-Allow-Methods": METHODS,
                "Access-Control-Allow-Headers": DEFAULT_HEADERS,
                "Access-Control-Max-Age": PREFLIGHT_SECONDS,
            },
        )
        origin = request.headers.get("Origin")
        requested = request.headers.get("Access-Control-Request-Headers")
        if origin and requested and self.origins.allow(origin):
            # Tracing and analytics libraries add their own headers to every request of a page.
            response.headers["Access-Control-Allow-Headers"] = requested
            _vary(response, "Access-Control-Request-Headers")
        return response

    def _log(self, origin: str) -> None:
        if origin == OPAQUE or origin in self._logged or len(self._logged) >= MAX_LOGGED:
            return
        self._logged.add(origin)
        logger.warning(
            "refused a request from the origin %r: if the page is yours, add the origin to"
            " GATEWAY_CORS_ORIGINS (allowed now: %s); this origin is not logged again%s",
            origin[:MAX_LOGGED_LENGTH],
            self.origins,
            ", nor are any further ones" if len(self._logged) == MAX_LOGGED else "",
        )


def _as_sent(origin: str) -> str | None:
    """Return an origin as browsers send it: ASCII, lower case, without the scheme's default port.

    Returns None for a text that no browser sends, such as one with a wildcard.
    """
    if not ORIGIN.fullmatch(origin) or "*" in origin:
        return None
    try:
        parts = urlsplit(origin.lower())
        host, colon, port = parts.netloc.rpartition(":")
        if not colon or not port.isdecimal():  # a bare host, or an address in brackets
            host, port = parts.netloc, ""
        if not host.isascii():
            host = host.encode("idna").decode()
    except ValueError:
        return None
    port = "" if port == DEFAULT_PORTS.get(parts.scheme) else port
    return f"{parts.scheme}://{host}{':' if port else ''}{port}"


def own(origin: str, host: str) -> bool:
    """True if the origin is the address that the request was sent to."""
    try:
        return urlsplit(origin).netloc.lower() == host.lower()
    except ValueError:  # such as `http://[`
        return False


def _vary(response: web.StreamResponse, name: str) -> None:
    varies = response.headers.get("Vary")
    response.headers["Vary"] = f"{varies}, {name}" if varies else name
