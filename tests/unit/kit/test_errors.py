"""Failures as operators read them."""

from kit.errors import Failure, Kind


def test_a_summary_names_the_reason_and_the_details() -> None:
    failure = Failure(
        Kind.UNCLEAR, "PROVIDER_UNCLEAR", "It is unclear", details={"endpoint": "POST /orders"}
    )
    assert failure.summary == "PROVIDER_UNCLEAR endpoint=POST /orders"
    assert Failure(Kind.REFUSED, "NO_STOCK", "None is left").summary == "NO_STOCK"
