"""CSRF protection: refuses requests that another origin's page can send without a CORS preflight."""

from aiohttp import web

from gateway.http.cors import Pages

# Browsers send a preflight before a cross-origin request with one of these headers.
PREFLIGHTED = ("Authorization", "Apollo-Require-Preflight", "X-Apollo-Operation-Name")
HOW = (
    "Send the header Content-Type: application/json or Apollo-Require-Preflight, and have the"
    " operator add the page's origin to GATEWAY_CORS_ORIGINS"
)


def check(request: web.Request, pages: Pages, *, plain_get: bool) -> None:
    """Raise web.HTTPForbidden for a GET that a page of another origin may have sent.

    A POST needs no check: its Content-Type, application/json, always requires a preflight.
    """
    if request.method != "GET" or _was_preflighted(request):
        return
    origin, site = request.headers.get("Origin"), request.headers.get("Sec-Fetch-Site")
    if origin is not None and pages.origins.allow(origin):
        return
    if site == "same-origin":
        return
    foreign = site in ("cross-site", "same-site") or not pages.allowed(request)
    if foreign or not plain_get:
        raise web.HTTPForbidden(text=f"Cross-origin request refused. {HOW}")


def _was_preflighted(request: web.Request) -> bool:
    if any(name in request.headers for name in PREFLIGHTED):
        return True
    return "Content-Type" in request.headers and request.content_type not in (
        "application/x-www-form-urlencoded",
        "multipart/form-data",
        "text/plain",
        "application/octet-stream",  # what aiohttp returns for a malformed header
    )
