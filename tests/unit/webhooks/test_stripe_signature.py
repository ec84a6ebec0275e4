"""Signatures of Stripe's events."""

import time
from collections.abc import Callable

import pytest
import stripe

from webhooks.stripe.signature import Verdict, verify

SECRET, OTHER = "whsec_test_secret", "whsec_other"
BODY = b'{"id":"evt_1","object":"event","type":"payment_intent.succeeded"}'


def header(secret: str = SECRET, age: int = 0, body: bytes = BODY) -> str:
    at = int(time.time()) - age
    made: str = stripe.WebhookSignature.generate_signature_header(body.decode(), secret, at)
    return made


def test_a_recent_signature_is_valid() -> None:
    assert verify(BODY, [header()], [SECRET]) is Verdict.VALID
    assert verify(BODY, [header(age=290)], [SECRET]) is Verdict.VALID


def test_either_secret_is_valid_during_a_rotation() -> None:
    for secret in (SECRET, OTHER):
        assert verify(BODY, [header(secret)], [SECRET, OTHER]) is Verdict.VALID
    both = f"{header(OTHER)},{header(SECRET).partition(',')[2]}"
    assert verify(BODY, [both], [SECRET]) is Verdict.VALID


@pytest.mark.parametrize("age", [302, 86_400])
def test_an_old_signature_is_no_longer_valid(age: int) -> None:
    assert verify(BODY, [header(age=age)], [OTHER, SECRET]) is Verdict.OLD_TIMESTAMP


# Functions, as a header contains the time: workers of a test run must collect the same parameters.
WRONG: dict[str, Callable[[], str]] = {
    "another secret": lambda: header(OTHER),
    "another body": lambda: header(body=b"{}"),
    "upper case": lambda: header().upper(),
    "another scheme": lambda: header().replace("v1=", "v0="),
    "no time": lambda: header().partition(",")[2],
    "empty": lambda: "",
    "no signature": lambda: "t=1",
    "no number": lambda: "t=x,v1=y",
    "no ASCII": lambda: "t=1,v1=é",
    "commas": lambda: ",,,,",
    "a time without end": lambda: "t=" + "9" * 5000 + ",v1=00",
}


@pytest.mark.parametrize("signed", WRONG.values(), ids=WRONG)
def test_another_signature_is_refused(signed: Callable[[], str]) -> None:
    assert verify(BODY, [signed()], [SECRET]) is Verdict.BAD_SIGNATURE


def test_two_headers_and_bodies_that_are_not_text_are_refused() -> None:
    assert verify(BODY, [header(), header()], [SECRET]) is Verdict.BAD_SIGNATURE
    assert verify(b"\xff", [header()], [SECRET]) is Verdict.BAD_SIGNATURE


def test_without_a_secret_or_a_signature_nothing_is_valid() -> None:
    assert verify(BODY, [header("")], []) is Verdict.NOT_CONFIGURED
    assert verify(BODY, [], [SECRET]) is Verdict.UNSIGNED
