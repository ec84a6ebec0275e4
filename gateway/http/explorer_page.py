"""Serves GraphiQL to browsers, with a strict content security policy and local assets only."""

import gzip
import html
import mimetypes
import secrets
from pathlib import Path
from urllib.parse import urlsplit

from aiohttp import web

ASSETS = Path(__file__).parent / "explorer" / "assets"
# Seconds: one year. A file's name contains the hash of its content, so it never changes.
MAX_AGE = 31_536_000
# Query parameters of a GET that executes an operation; a browser that visits /graphql sends none.
OPERATION = ("query", "extensions", "documentId")
LOOPBACK = ("localhost", "127.0.0.1", "::1")
PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>GraphQL explorer</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="{assets}/{style}">
</head>
<body>
<div id="explorer" data-supabase-url="{supabase_url}" data-anon-key="{anon_key}" data-local="{local}">
</div>
<script src="{assets}/{script}" nonce="{nonce}" defer></script>
</body>
</html>
"""


class Explorer:
    """The page and its assets, read once; `path` is the GraphQL endpoint.

    With `anon_key`, users can sign in at `supabase_url`; on a local stack with one click.
    """

    def __init__(self, path: str, supabase_url: str, anon_key: str | None) -> None:
        self._path = path
        self._supabase_url = supabase_url
        self._anon_key = anon_key or ""
        self._files = {file.name: file.read_bytes() for file in sorted(ASSETS.iterdir())}
        self._zipped = {name: gzip.compress(text, mtime=0) for name, text in self._files.items()}

    def routes(self) -> list[web.RouteDef]:
        return [web.get(f"{self._path}/assets/{{name}}", self.asset)]

    def is_visited(self, request: web.Request) -> bool:
        """True if a browser visits the endpoint without an operation."""
        return (
            request.method == "GET"
            and "text/html" in request.headers.get("Accept", "")
            and not any(name in request.query for name in OPERATION)
        )

    def page(self) -> web.Response:
        """Return the page with a fresh nonce."""
        nonce = secrets.token_urlsafe(16)
        text = PAGE.format(
            assets=f"{self._path}/assets",
            style=self._named(".css"),
            script=self._named(".js"),
            supabase_url=html.escape(self._supabase_url),
            anon_key=html.escape(self._anon_key),
            local=str(urlsplit(self._supabase_url).hostname in LOOPBACK).lower(),
            nonce=nonce,
        )
        response = web.Response(text=text, content_type="text/html")
        response.headers.update(
            {
                "Cache-Control": "no-store",
                "Content-Security-Policy": self._policy(nonce),
                "Referrer-Policy": "no-referrer",
                "Vary": "Accept",
                "X-Content-Type-Options": "nosniff",
                "X-Frame-Options": "DENY",
            }
        )
        return response

    async def asset(self, request: web.Request) -> web.Response:
        """Return a script, a style sheet, or the licenses of the bundled packages."""
        name = request.match_info["name"]
        if name not in self._files:
            raise web.HTTPNotFound
        zipped = "gzip" in request.headers.get("Accept-Encoding", "")
        kind = mimetypes.types_map[Path(name).suffix]
        response = web.Response(
            body=(self._zipped if zipped else self._files)[name], content_type=kind, charset="utf-8"
        )
        if zipped:
            response.headers["Content-Encoding"] = "gzip"
        hashed = name != "LICENSES.txt"
        response.headers["Cache-Control"] = (
            f"public, max-age={MAX_AGE}, immutable" if hashed else "no-cache"
        )
        response.headers["Vary"] = "Accept-Encoding"
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response

    def _named(self, suffix: str) -> str:
        return next(name for name in self._files if name.endswith(suffix))

    def _policy(self, nonce: str) -> str:
        auth = urlsplit(self._supabase_url)
        sign_in = f" {auth.scheme}://{auth.netloc}" if self._anon_key else ""
        return "; ".join(
            (
                "default-src 'none'",
                "script-src 'self'",
                # The nonce is for a style sheet that GraphiQL's menus add while they are open.
                f"style-src 'self' 'nonce-{nonce}'",
                # The style sheet contains its fonts.
                "font-src data:",
                "img-src 'self' data:",
                f"connect-src 'self'{sign_in}",
                "base-uri 'none'",
                "form-action 'none'",
                "frame-ancestors 'none'",
            )
        )
