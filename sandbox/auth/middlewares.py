"""Middlewares: CORS, error format, API key, admin API."""

import logging

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from sandbox.auth.errors import API_VERSION_HEADER, Refusal, respond
from sandbox.auth.requests import equal
from sandbox.auth.settings import AuthSettings

logger = logging.getLogger(__name__)

# Paths without an API key: health and the public keys.
_OPEN = {"/auth/v1/health", "/auth/v1/.well-known/jwks.json"}
_CONTROL = "/_control/"


@web.middleware
async def allow_other_origins(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Let pages of any origin call the API, but never the admin API, which creates administrators."""
    if request.path.startswith(_CONTROL):
        if "Origin" in request.headers:
            refusal = Refusal(403, "no_authorization", "The admin API can't be used by web pages")
            return respond(refusal, request)
        return await handler(request)
    response: web.StreamResponse
    if request.method == "OPTIONS":
        # Headers are listed: a star does not include Authorization.
        requested = request.headers.get("Access-Control-Request-Headers", "")
        response = web.Response(
            status=204,
            headers={
                "Access-Control-Allow-Methods": "GET, POST, PUT, PATCH, DELETE",
                "Access-Control-Allow-Headers": requested,
                "Access-Control-Max-Age": "86400",  # a day, which browsers may shorten
            },
        )
    else:
        response = await handler(request)
    response.headers["Access-Control-Allow-Origin"] = "*"
    response.headers["Access-Control-Expose-Headers"] = f"X-Total-Count, Link, {API_VERSION_HEADER}"
    return response


@web.middleware
async def answer_refusals(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn every failure into Supabase Auth's error shape."""
    try:
        return await handler(request)
    except Refusal as error:
        refusal = error
    except web.HTTPRequestEntityTooLarge:
        refusal = Refusal(413, "request_entity_too_large", "Request body too large")
    except (
        web.RequestPayloadError,
        ConnectionResetError,
    ):  # a client's error: invalid encoding or an incomplete body
        refusal = Refusal(400, "bad_json", "Could not decode the request body")
    except web.HTTPClientError as error:
        refusal = Refusal(
            error.status, "not_found", f"The auth emulator has no {request.method} {request.path}"
        )
    except Exception:
        logger.exception("%s %s failed", request.method, request.path)
        refusal = Refusal(
            500,
            "unexpected_failure",
            "Unexpected failure, please check server logs for more information",
        )
    return respond(refusal, request)


def require_api_key(settings: AuthSettings) -> Middleware:
    """Refuse requests without the anon or the service role key, as Supabase's API gateway does."""

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path in _OPEN or request.path.startswith(_CONTROL):
            return await handler(request)
        given = request.headers.get("apikey") or request.query.get("apikey") or ""
        if not given:
            raise Refusal(
                401, "no_api_key", "No API key found in request; send it in the 'apikey' header"
            )
        if not (equal(given, settings.anon_key) or equal(given, settings.service_role_key)):
            raise Refusal(
                401,
                "invalid_api_key",
                "Invalid API key; use the anon or the service role key of this emulator",
            )
        return await handler(request)

    return check
