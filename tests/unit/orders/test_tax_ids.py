"""Tax ids: the format by country, the form in which they are kept, and what is refused."""

from decimal import Decimal

import pytest

from kit.errors import Failure
from protos.orders.v1 import organizations_pb2 as pb
from services.orders.organizations import requests
from services.orders.organizations.membership import Billing
from services.orders.organizations.organization import Profile
from services.orders.organizations.tax_ids import normalized


@pytest.mark.parametrize(
    ("country", "given", "kept"),
    [
        ("DE", "DE 136,695 976", "DE136695976"),
        ("DE", "136695976", "DE136695976"),
        ("DE", "181/815/08155", "18181508155"),
        ("FR", "fr 40 303 265 045", "FR40303265045"),
        ("FR", "732 829 320", "732829320"),
        ("GR", "EL 094259216", "EL094259216"),
        ("GR", "094259216", "EL094259216"),
        ("GB", "GB 980 7806 84", "980780684"),
        ("GB", "XI 980 7806 84", "XI980780684"),
        ("CH", "CHE-107.787.577 IVA", "CHE107787577IVA"),
        ("US", "91-1144442", "911144442"),
        ("AU", "83 914 571 673", "83914571673"),
        ("BR", "16.727.230/0001-97", "16727230000197"),
        ("IN", "27AAPFU0939F1ZV", "27AAPFU0939F1ZV"),
        ("JP", "5-8356-7825-6246", "5835678256246"),
        ("NO", "NO 995 525 828 MVA", "995525828MVA"),
        ("UA", "32855961", "32855961"),
    ],
)
def test_numbers_of_a_country_are_kept_in_one_form(country: str, given: str, kept: str) -> None:
    assert normalized(given, country) == (kept, None)
    assert normalized(kept, country) == (kept, None), "a repeat changes nothing"


@pytest.mark.parametrize(
    ("country", "given", "why"),
    [
        ("DE", "DE136695978", "Germany: its check digits are wrong"),
        ("DE", "DE12", "Germany: it has the wrong length"),
        ("FR", "DE136695976", "France"),
        ("US", "DROP TABLE", "United States"),
        ("JP", "1234567890123", "Japan: its check digits are wrong"),
        ("DE", "=HYPERLINK(1)", "Germany"),
    ],
)
def test_other_numbers_are_refused_with_the_reason(country: str, given: str, why: str) -> None:
    kept, problem = normalized(given, country)
    assert kept == given
    assert problem is not None
    assert why in problem


def test_without_rules_only_the_characters_are_checked() -> None:
    assert normalized(" AB-123/4 ", "AQ") == ("AB-123/4", None)
    assert normalized("12345", "") == ("12345", None)
    assert normalized("DE 136695976", "") == ("DE136695976", None), "it says its country itself"
    for given in ("<script>", "=1+1", "a\x00b", "٣٤٥"):
        kept, problem = normalized(given, "AQ")
        assert (kept, problem) == (
            given,
            "must consist of letters, digits, spaces and the characters . / -",
        )


def test_no_tax_id_is_right_and_a_long_one_is_not() -> None:
    assert normalized("  ", "DE") == ("", None)
    _, problem = normalized("1" * 41, "")
    assert problem == "must have at most 40 characters, not 41"


def test_a_country_that_does_not_exist_has_no_rules() -> None:
    assert normalized("123", "ZZ") == ("123", None)


def test_a_tax_id_that_the_rules_of_today_refuse_is_checked_only_when_it_is_changed() -> None:
    """An update of the library may bring new rules for a country."""
    kept = Profile("Acme", "", "DE", "DE136695977", "EUR", Billing.PREPAID, Decimal(0), "en", "UTC")
    named = requests.update(pb.UpdateOrganizationRequest(name="Acme Ltd"), kept)
    assert (named.name, named.tax_id) == ("Acme Ltd", "DE136695977")
    with pytest.raises(Failure) as refused:
        requests.update(pb.UpdateOrganizationRequest(tax_id="DE136695978"), kept)
    assert list(refused.value.fields) == ["tax_id"]
    with pytest.raises(Failure) as refused:
        requests.update(pb.UpdateOrganizationRequest(country="AT"), kept)
    assert list(refused.value.fields) == ["tax_id"]
