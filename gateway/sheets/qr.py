"""QR codes of activation codes as pictures, so that no external service sees them."""

import io

import segno

# Pixels per module, and modules of quiet zone (four in the standard): about 350 pixels per side.
SCALE = 8
BORDER = 4


def png(activation_code: str, scale: int = SCALE) -> bytes:
    """Return a PNG with error correction level M, with `scale` pixels per module."""
    picture = io.BytesIO()
    segno.make_qr(activation_code, error="m").save(picture, kind="png", scale=scale, border=BORDER)
    return picture.getvalue()
