"""What pages of other origins may call and read, in the headers that browsers ask for."""

from aiohttp import web

# What they may send, and how long browsers may remember that (a day), in seconds.
SENT = {
    "Access-Control-Allow-Methods": "GET, POST",
    "Access-Control-Allow-Headers": "Authorization, Content-Type, Idempotency-Key, X-Request-Id,"
    " GraphQL-Cost, Apollo-Require-Preflight, X-Apollo-Operation-Name",
    "Access-Control-Max-Age": "86400",
}
# What they may read beside the body.
READ = "X-Request-Id, Retry-After, GraphQL-Cost"


async def preflight(_request: web.Request) -> web.Response:
    """What a browser asks before it lets a page of another origin call."""
    return web.Response(status=204, headers=SENT)


def mark(request: web.Request, response: web.StreamResponse, allowed: tuple[str, ...]) -> None:
    """Tells browsers whether the page that asked may read the answer; `*` allows every page."""
    if not allowed:
        return
    varies = response.headers.get("Vary")
    response.headers["Vary"] = f"{varies}, Origin" if varies else "Origin"
    origin = request.headers.get("Origin")
    if origin and (origin in allowed or "*" in allowed):
        response.headers["Access-Control-Allow-Origin"] = origin
        response.headers["Access-Control-Expose-Headers"] = READ
