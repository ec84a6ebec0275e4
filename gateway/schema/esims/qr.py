"""Renders activation codes as QR codes in data URIs."""

import base64

from gateway.sheets import qr


def data_uri(activation_code: str) -> str:
    """Return a PNG in a data URI."""
    return "data:image/png;base64," + base64.b64encode(qr.png(activation_code)).decode()
