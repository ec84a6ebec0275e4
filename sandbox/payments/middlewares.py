"""Protects the admin API from web pages."""

from aiohttp import web
from aiohttp.typedefs import Handler


@web.middleware
async def refuse_other_origins(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse requests of web pages to the admin API, which needs no key."""
    if request.path.startswith("/_control") and "Origin" in request.headers:
        body = {"error": {"message": "The admin API can't be used by web pages"}}
        return web.json_response(body, status=403)
    return await handler(request)
