"""Renders activation codes as QR codes, so that no external service sees them."""

import segno

# Pixels per module, and modules of quiet zone (four in the standard): about 350 pixels per side.
SCALE = 8
BORDER = 4


def data_uri(activation_code: str) -> str:
    """Return a PNG in a data URI, with error correction level M."""
    code = segno.make_qr(activation_code, error="m")
    return str(code.png_data_uri(scale=SCALE, border=BORDER))
