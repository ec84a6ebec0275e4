"""The page behind a share link: plain HTML, which works without JavaScript."""

import base64
import hashlib
from dataclasses import dataclass
from html import escape

from gateway.schema.esims.types import ANDROID, APPLE, activation_code, install_url
from protos.esims.v1 import esims_pb2, travelers_pb2

STYLE = """
:root { color-scheme: light dark; }
body { font: 1.0625rem/1.5 system-ui, sans-serif; max-width: 34rem; margin: 0 auto; padding: 1.5rem 1rem; }
h1 { font-size: 1.5rem; line-height: 1.2; margin: 0 0 .25rem; }
h2 { font-size: 1.125rem; margin: 2rem 0 .5rem; }
p { margin: .5rem 0; }
.muted { opacity: .75; }
.error { border-left: .25rem solid #c62828; padding: .5rem .75rem; }
img { display: block; width: 100%; max-width: 16rem; height: auto; margin: 1rem auto; background: #fff; }
a.button, button { display: block; box-sizing: border-box; width: 100%; margin: .5rem 0; padding: .75rem 1rem;
  border: 0; border-radius: .5rem; background: #0b57d0; color: #fff; font: inherit; text-align: center;
  text-decoration: none; }
label { display: block; margin: 1rem 0 .25rem; }
input { box-sizing: border-box; width: 100%; padding: .75rem; font: inherit; font-size: 1.25rem;
  letter-spacing: .25em; }
meter { width: 100%; height: 1.25rem; }
code { overflow-wrap: anywhere; }
dt { margin-top: .5rem; }
dd { margin: 0; }
"""
# The browser applies no other style and loads nothing: neither scripts nor images of others.
POLICY = "; ".join(
    (
        "default-src 'none'",
        f"style-src 'sha256-{base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()}'",
        "img-src data:",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": POLICY,
    # The address of the page is a secret: it must not reach the pages that it links to.
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "X-Robots-Tag": "noindex, nofollow, noarchive",
}
PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Your eSIM</title>
<link rel="icon" href="data:,">
<style>{style}</style>
</head>
<body>
<main>
{body}
</main>
</body>
</html>
"""
PIN_FORM = """<h1>Your eSIM</h1>
<p>Enter the six-digit PIN that you received with this link.</p>
{problem}<form method="post" autocomplete="off">
<label for="pin">PIN</label>
<input id="pin" name="pin" inputmode="numeric" maxlength="12" required autofocus>
<button>Show the eSIM</button>
</form>
"""
INSTALL = """<h2>Install it</h2>
<p>Use Wi-Fi, and stay connected until your phone says that the eSIM is added.</p>
<p>If you read this on the phone that you travel with:</p>
<a class="button" href="{apple}">Install on this iPhone</a>
<p class="muted">Needs iOS 17.4 or newer.</p>
<a class="button" href="{android}">Install on this Android phone</a>
<p>If you read this on another screen, scan the code with the phone that you travel with: on an iPhone with
the camera, on Android under Settings, Network &amp; internet, SIMs, Add SIM.</p>
<img src="{qr}" alt="QR code that installs the eSIM" width="256" height="256">
<details>
<summary>Enter the details by hand</summary>
<dl>
<dt>SM-DP+ address</dt><dd><code>{host}</code></dd>
<dt>Activation code</dt><dd><code>{matching_id}</code></dd>
<dt>Both in one line</dt><dd><code>{code}</code></dd>
</dl>
</details>
<p>When you arrive, switch on data roaming for this eSIM.</p>
<p class="muted">An eSIM can be installed only once. Don&#39;t delete it from your phone while you travel.</p>
"""
HIDDEN = """<h2>Installed</h2>
<p>A device has installed this eSIM, so its code is no longer shown here. If you have to install it again, ask
the person who sent you this link to show the code again.</p>
"""
PREPARING = """<h2>Nearly ready</h2>
<p>This eSIM is still being prepared. Load this page again in a few minutes.</p>
"""
STATUSES = {
    esims_pb2.ESIM_STATUS_PROCESSING: "Being prepared",
    esims_pb2.ESIM_STATUS_ASSIGNED: "Ready to use",
    esims_pb2.ESIM_STATUS_ACTIVE: "In use",
    esims_pb2.ESIM_STATUS_SUSPENDED: "Paused: it gives no service at the moment",
    esims_pb2.ESIM_STATUS_EXPIRED: "Ended: its data or its time is used up",
    esims_pb2.ESIM_STATUS_CANCELLED: "Cancelled: it gives no service any more",
}
ENDED = frozenset({esims_pb2.ESIM_STATUS_EXPIRED, esims_pb2.ESIM_STATUS_CANCELLED})
USABLE = frozenset(
    {
        esims_pb2.BUNDLE_STATE_PROCESSING,
        esims_pb2.BUNDLE_STATE_ACTIVE,
        esims_pb2.BUNDLE_STATE_INACTIVE,
        esims_pb2.BUNDLE_STATE_SUSPENDED,
    }
)


@dataclass(frozen=True, slots=True)
class Shown:
    """What the page shows: the answer of the esims service, the plan's title, and the QR code's image."""

    esim: travelers_pb2.OpenShareLinkResponse
    plan_title: str
    qr_code: str
    support: str


def code_of(esim: travelers_pb2.OpenShareLinkResponse) -> esims_pb2.ESIM:
    """Return the parts of the activation code as an eSIM, which may have none."""
    return esims_pb2.ESIM(matching_id=esim.matching_id, smdp_address=esim.smdp_address)


def shown(page: Shown) -> str:
    """Render the eSIM."""
    esim = page.esim
    greeting = f"{escape(esim.traveler_name)}, here is your eSIM" if esim.traveler_name else ""
    parts = [f"<h1>{greeting or 'Your eSIM'}</h1>"]
    if page.plan_title:
        parts.append(f"<p>{escape(page.plan_title)}</p>")
    parts.append(f'<p class="muted">{STATUSES.get(esim.status, "")}</p>')
    parts.append(_install(page))
    parts.append(_data(esim))
    if page.support:
        parts.append(f"<h2>Help</h2><p>{escape(page.support)}</p>")
    return _page("\n".join(parts))


def pin_form(problem: str = "") -> str:
    """Render the form for the PIN, with what was wrong with the last one."""
    error = f'<p class="error" role="alert">{escape(problem)}</p>\n' if problem else ""
    return _page(PIN_FORM.format(problem=error))


def refusal(message: str) -> str:
    """Render why the eSIM can't be shown."""
    return _page(f'<h1>Your eSIM</h1>\n<p class="error" role="alert">{escape(message)}.</p>')


def _page(body: str) -> str:
    return PAGE.format(style=STYLE, body=body)


def _install(page: Shown) -> str:
    if page.esim.status in ENDED:
        return ""
    if page.esim.code_hidden:
        return HIDDEN
    esim = code_of(page.esim)
    code = activation_code(esim)
    if code is None:
        return PREPARING
    return INSTALL.format(
        apple=escape(install_url(APPLE, esim) or ""),
        android=escape(install_url(ANDROID, esim) or ""),
        qr=page.qr_code,
        host=escape(esim.smdp_address),
        matching_id=escape(esim.matching_id),
        code=escape(code),
    )


def _data(esim: travelers_pb2.OpenShareLinkResponse) -> str:
    usable = [bundle for bundle in esim.bundles if bundle.state in USABLE]
    if not usable:
        return ""
    parts = ["<h2>Data left</h2>", *map(_bundle, usable)]
    if esim.usage.HasField("as_of"):
        as_of = esim.usage.as_of.ToDatetime()
        parts.append(f'<p class="muted">As of {as_of:%d %B %Y, %H:%M} UTC.</p>')
    return "\n".join(parts)


def _bundle(bundle: esims_pb2.ESIMBundle) -> str:
    if bundle.unlimited:
        left = "<p>Unlimited data</p>"
    elif bundle.HasField("remaining_bytes") and bundle.HasField("initial_bytes"):
        remaining, initial = bundle.remaining_bytes, bundle.initial_bytes
        text = f"{_size(remaining)} of {_size(initial)}"
        left = f'<p>{text}</p><meter min="0" max="{initial}" value="{remaining}">{text}</meter>'
    else:
        left = '<p class="muted">Not known yet</p>'
    if bundle.HasField("end_date"):
        return f"{left}<p>Until {bundle.end_date.ToDatetime():%d %B %Y, %H:%M} UTC</p>"
    return f"{left}<p>Its time starts when you use it first.</p>"


def _size(count: int) -> str:
    """Return an amount of data, base 10, such as 1.5 GB."""
    unit, size = ("GB", 10**9) if count >= 10**9 else ("MB", 10**6)
    return f"{count / size:.2f}".rstrip("0").rstrip(".") + f" {unit}"
