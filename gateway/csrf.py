"""Requests that a page of another origin can send without asking: which of them are refused."""

from collections.abc import Collection
from urllib.parse import urlsplit

from aiohttp import web

# A browser asks by CORS before it lets a page of another origin send one of these.
ASKED_FOR = ("Authorization", "Apollo-Require-Preflight", "X-Apollo-Operation-Name")
HOW = (
    "send the header Content-Type: application/json or Apollo-Require-Preflight, and have the"
    " operator name the page's origin in GATEWAY_CORS_ORIGINS"
)


def check(request: web.Request, origins: Collection[str], *, plain_get: bool) -> None:
    """Raises web.HTTPForbidden for a GET that a foreign page may have sent.

    A POST needs no more than its Content-Type, which is one that pages must ask for.
    """
    if request.method != "GET" or _was_asked_for(request):
        return
    origin, site = request.headers.get("Origin"), request.headers.get("Sec-Fetch-Site")
    if origin is not None and (origin in origins or "*" in origins):
        return
    if site == "same-origin":
        return
    foreign = site in ("cross-site", "same-site") or not own(origin, request.host)
    if foreign or not plain_get:
        raise web.HTTPForbidden(text=f"Pages of other origins may not send this; {HOW}")


def own(origin: str | None, host: str) -> bool:
    """Whether an origin, where a browser names one, is that of the address that was asked."""
    return origin is None or urlsplit(origin).netloc == host


def _was_asked_for(request: web.Request) -> bool:
    if any(name in request.headers for name in ASKED_FOR):
        return True
    return "Content-Type" in request.headers and request.content_type not in (
        "application/x-www-form-urlencoded",
        "multipart/form-data",
        "text/plain",
        "application/octet-stream",  # what aiohttp takes for a header that makes no sense
    )
