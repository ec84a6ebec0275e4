"""The HTML of the hosted pages, which need no script."""

from html import escape

from aiohttp import web

_STYLE = """
body{font-family:system-ui,sans-serif;margin:0;background:#f5f6f8;color:#1a1f36}
main{max-width:26rem;margin:2rem auto;padding:1.5rem;background:#fff;border-radius:.5rem}
h1{font-size:1.25rem;margin-top:0}
label{display:block;margin:.75rem 0 .25rem}
input{width:100%;box-sizing:border-box;padding:.6rem;font:inherit;border:1px solid #6b7280}
button{width:100%;margin-top:1rem;padding:.75rem;font:inherit;border:0;background:#4338ca;color:#fff}
button.second{background:#4b5563}
[role=alert]{color:#a3122a;font-weight:600}
.pair{display:grid;grid-template-columns:1fr 1fr;gap:1rem}
dl{display:grid;grid-template-columns:1fr auto;gap:.25rem}
dd{margin:0}
.note{color:#4b5563;font-size:.875rem}
"""
# Nothing is loaded. Targets of forms are not restricted, as browsers apply that to redirects too.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'self'"


def respond(title: str, body: str, status: int = 200) -> web.Response:
    """Return a page; `body` must be escaped already."""
    text = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head>"
        f"<body><main><h1>{escape(title)}</h1>{body}</main></body></html>"
    )
    headers = {"Content-Security-Policy": _POLICY, "Cache-Control": "no-store"}
    headers["Referrer-Policy"] = "no-referrer"
    return web.Response(text=text, content_type="text/html", status=status, headers=headers)


def message(title: str, text: str, status: int = 200) -> web.Response:
    """Return a page with one sentence."""
    return respond(title, f'<p role="status">{escape(text)}</p>', status)


def alert(text: str) -> str:
    """Return the HTML of an error, which screen readers announce."""
    return f'<p role="alert" id="error">{escape(text)}</p>'


def field(name: str, label: str, *, value: str = "", kind: str = "text", **attributes: str) -> str:
    """Return a labelled input."""
    extra = "".join(f' {key}="{escape(text)}"' for key, text in attributes.items())
    return (
        f'<div><label for="{name}">{escape(label)}</label>'
        f'<input id="{name}" name="{name}" type="{kind}" value="{escape(value)}"{extra}></div>'
    )
