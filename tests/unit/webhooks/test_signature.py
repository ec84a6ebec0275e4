"""Signatures of callbacks: both encodings, several keys, and nothing else."""

import base64
import hashlib
import hmac

import pytest

from webhooks import signature

# The provider documents the method; these values follow from it and were computed independently.
KEY = "example-api-key"
BODY = b'{"alertType":"FirstAttachment","iccid":"8943108169900000016"}'
HEX = "57593658f27d9be5134f0029d75d9b1638d29857e8ab37053f2bd93482daacc2"
BASE64 = "V1k2WPJ9m+UTTwAp112bFjjSmFfoqzcFPyvZNILarMI="


@pytest.mark.parametrize("text", [HEX, HEX.upper(), BASE64, f" {BASE64} "])
def test_hex_and_base64_are_accepted(text: str) -> None:
    assert signature.is_valid(BODY, text, [KEY])


def test_any_of_several_keys_may_have_signed() -> None:
    assert signature.is_valid(BODY, HEX, ["the-new-key", KEY])


def test_another_body_is_refused() -> None:
    assert not signature.is_valid(BODY + b" ", HEX, [KEY])


def test_another_key_is_refused() -> None:
    assert not signature.is_valid(BODY, HEX, ["the-new-key"])


def test_without_a_key_every_callback_is_refused() -> None:
    assert not signature.is_valid(BODY, HEX, [])
    empty = hmac.new(b"", BODY, hashlib.sha256).hexdigest()
    assert not signature.is_valid(BODY, empty, [])


@pytest.mark.parametrize(
    "text",
    [None, "", "x", HEX[:-1], HEX + "0", "ü" * 64, "g" * 64, base64.b64encode(b"short").decode()],
)
def test_a_malformed_signature_is_refused(text: str | None) -> None:
    assert not signature.is_valid(BODY, text, [KEY])
