"""Checks how a customer wants to pay: the part of requests that purchases and top-ups share."""

import ipaddress
from urllib.parse import urlsplit

from kit.values import addresses
from kit.values.checks import Checks
from protos.orders.v1 import payments_pb2 as pb
from services.orders.payment import Choice, PaymentMethod

METHODS = {
    pb.PAYMENT_METHOD_CARD: PaymentMethod.CARD,
    pb.PAYMENT_METHOD_WALLET: PaymentMethod.WALLET,
    pb.PAYMENT_METHOD_MANUAL: PaymentMethod.MANUAL,
    pb.PAYMENT_METHOD_INVOICE: PaymentMethod.INVOICE,
}
# Characters; browsers and proxies handle URLs of this length.
MAX_URL = 2000
LOCAL = ("localhost", "127.0.0.1", "::1")
# One customer has a whole network of this size.
IPV6_NETWORK = 64


def choice(checks: Checks, field: str, given: pb.PaymentChoice) -> Choice:
    """Check how an order is to be paid."""
    method = METHODS.get(given.method)
    if method is None:
        checks.fail(f"{field}.method", "must be CARD, WALLET, MANUAL or INVOICE")
        method = PaymentMethod.CARD
    if method is not PaymentMethod.CARD:
        for name in ("use_wallet", "return_url", "save_payment_method"):
            if getattr(given, name):
                checks.fail(f"{field}.{name}", "is possible only with CARD")
    return Choice(
        method,
        given.use_wallet,
        return_url(checks, f"{field}.return_url", given.return_url),
        given.save_payment_method,
        client_address(checks, f"{field}.client_address", given.client_address),
    )


def return_url(checks: Checks, field: str, text: str) -> str:
    """Check an address of the shop: no other scheme may run a program, or show the way back to a stranger."""
    if not text:
        return ""
    if len(text) > MAX_URL or not text.isascii() or any(not "!" <= c <= "~" for c in text):
        checks.fail(
            field, f"must be a URL of at most {MAX_URL} visible ASCII characters without spaces"
        )
        return ""
    if (problem := addresses.problem(text, ("https", "http"))) is not None:
        checks.fail(field, problem)
        return ""
    parts = urlsplit(text)
    if parts.scheme != "https" and parts.hostname not in LOCAL:
        checks.fail(field, "must start with https://; http:// is possible only for localhost")
    elif "@" in parts.netloc or "\\" in text:
        checks.fail(field, "must not contain a user name or a backslash")
    return text


def client_address(checks: Checks, field: str, text: str) -> str:
    """Return an address as guards count it: an IPv4 address, or the network of an IPv6 one."""
    if not text:
        return ""
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        checks.fail(field, "must be an IP address")
        return ""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(ipaddress.ip_network((address, IPV6_NETWORK), strict=False))
    return str(address)
