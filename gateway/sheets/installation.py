"""PDF with one page per eSIM, from which a traveler installs it."""

from collections.abc import Iterable

from gateway.sheets import qr
from gateway.sheets.esims import DeliveredESIM
from gateway.sheets.pdf import Document

# Apple's and Google's pages for installing an eSIM by link.
APPLE = "https://esimsetup.apple.com/esim_qrcode_provisioning"
ANDROID = "https://esimsetup.android.com/esim_qrcode_provisioning"

# Millimeters. QR codes are easily scanned from paper at this size.
SIDE = 72.0
# Pixels per module of a QR code; the file enlarges it without loss.
SCALE = 4
GUTTER = 8.0
# Lines of a name or another text, so that an eSIM stays on its page.
MAX_LINES = 2

IPHONE_STEPS = (
    "1. Connect the iPhone to Wi-Fi.",
    "2. Open Settings > Mobile Service (or Cellular) > Add eSIM > Use QR Code, and scan the code"
    " above.",
    "3. Tap Continue, and wait until the eSIM is activated.",
    "4. Name it, for example Travel. Keep your own line for calls and messages, and choose the new"
    " line for Mobile Data.",
    "5. On arrival, open the new line in Settings and switch Data Roaming on.",
)
ANDROID_STEPS = (
    "1. Connect the phone to Wi-Fi.",
    "2. Open Settings > Network & internet (Samsung: Connections) > SIMs > Add eSIM, and scan the"
    " code above.",
    "3. Tap Download, and wait until the eSIM is activated.",
    "4. Choose the new SIM for Mobile data, and keep your own SIM for calls and messages.",
    "5. On arrival, open the new SIM in Settings and switch Roaming on.",
)


def render(esims: Iterable[DeliveredESIM], support: str) -> bytes:
    """Return the file. `support` is the address that travelers write to; it may be empty."""
    document = Document("eSIMs to install")
    for esim in esims:
        _page(document, esim, support)
    return document.finish()


def _page(document: Document, esim: DeliveredESIM, support: str) -> None:
    document.page()
    document.text("Your travel eSIM", size=22)
    if esim.plan_title:
        document.text(esim.plan_title, size=13, most=2)
    document.gap(4)
    top = document.y
    if code := esim.activation_code:
        document.picture(qr.png(code, SCALE), SIDE)
    else:
        document.text(
            "The activation code of this eSIM is not available. Download this page again later.",
            width=SIDE,
        )
    document.move(top + 4)
    _facts(document, esim)
    document.move(max(document.y, top + SIDE) + 4)
    _steps(document)
    if code:
        _by_hand(document, esim)
    _footer(document, support)


def _facts(document: Document, esim: DeliveredESIM) -> None:
    facts = (
        ("Traveler", esim.name or esim.email),
        ("E-mail", esim.email if esim.name else ""),
        ("Reference", esim.reference),
        ("ICCID (serial number of the eSIM)", esim.iccid),
    )
    x = SIDE + GUTTER
    for label, value in facts:
        if value:
            document.text(label, size=8, x=x, gray=True)
            document.text(value, size=11, x=x, most=MAX_LINES)
            document.gap(1.5)


def _steps(document: Document) -> None:
    width = (document.width - GUTTER) / 2
    top, ends = document.y, []
    for column, (title, steps) in enumerate((("iPhone", IPHONE_STEPS), ("Android", ANDROID_STEPS))):
        x = column * (width + GUTTER)
        document.move(top)
        document.text(title, size=13, x=x, width=width)
        document.gap(1)
        for step in steps:
            document.text(step, size=9, x=x, width=width)
            document.gap(0.8)
        ends.append(document.y)
    document.move(max(ends))
    document.gap(3)


def _by_hand(document: Document, esim: DeliveredESIM) -> None:
    document.rule()
    document.text("Without a camera", size=11)
    document.text(
        "On the phone itself, open one of these links, or enter the two values by hand.", size=9
    )
    for label, page in (
        ("Install on this iPhone (iOS 17.4 or later)", APPLE),
        ("Install on this Android phone", ANDROID),
    ):
        document.text(label, size=9, link=f"{page}?carddata={esim.activation_code}")
    document.gap(1)
    document.text(f"SM-DP+ address: {esim.smdp_address}", size=9)
    document.text(f"Activation code: {esim.matching_id}", size=9)
    document.gap(2)


def _footer(document: Document, support: str) -> None:
    document.rule()
    document.text(
        "An eSIM can be installed once, on one phone. Keep this page secret until then, and do not"
        " delete the eSIM before the end of the journey.",
        size=9,
    )
    if support:
        document.text(f"Help: {support}", size=9)
