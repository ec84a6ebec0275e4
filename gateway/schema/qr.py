"""Activation codes as QR pictures, made here: they never leave the platform for a picture service."""

import segno

# Pixels of one module and modules of quiet zone (the standard's four): some 350 pixels a side, which
# a phone reads from any screen.
SCALE = 8
BORDER = 4


def data_uri(activation_code: str) -> str:
    """A PNG in a data URI; level M of error correction bears a smudge or a bad screen."""
    code = segno.make_qr(activation_code, error="m")
    return str(code.png_data_uri(scale=SCALE, border=BORDER))
