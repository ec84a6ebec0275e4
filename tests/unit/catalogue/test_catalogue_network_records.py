"""Reading the provider's networks: bad records are isolated."""

from typing import Any

import pytest

from kit.errors import Failure
from services.catalogue.networks.provider_networks import Network, read_networks

CODES = {"France": "FR", "FR": "FR", "Hawaii": "US-HI"}
ORANGE = {
    "name": "Orange France",
    "brandName": "Orange",
    "mcc": "208",
    "mnc": "01",
    "tagid": "FRAF1",
    "speed": ["4G", "5G", "4G"],
}


def answer(*countries: Any) -> dict[str, Any]:
    return {"countryNetworks": list(countries)}


def france(*networks: Any) -> dict[str, Any]:
    return {"name": "France", "networks": list(networks)}


def test_networks_are_read_by_the_code_of_the_country() -> None:
    reading = read_networks(
        answer(france(ORANGE, ORANGE), {"name": "Hawaii", "networks": []}), CODES.get
    )
    assert reading.networks == {
        "FR": (Network("Orange France", "Orange", "208", "01", ("4G", "5G")),),
        "US-HI": (),
    }
    assert (reading.problems, reading.complete) == ([], True)


def test_a_country_that_is_listed_twice_has_the_networks_of_both() -> None:
    other = {**ORANGE, "name": "SFR", "brandName": ""}
    reading = read_networks(
        answer(france(ORANGE), {"name": "FR", "networks": [other, ORANGE]}), CODES.get
    )
    assert [network.brand for network in reading.networks["FR"]] == ["Orange", "SFR"]


@pytest.mark.parametrize(
    "network",
    [
        None,
        7,
        "Orange",
        {},
        {"name": ""},
        {"name": "x" * 101},
        {"name": "a\x00\nb"},
        {"mcc": "208"},
    ],
)
def test_a_network_without_a_name_is_left_out(network: Any) -> None:
    reading = read_networks(answer(france(network, ORANGE)), CODES.get)
    assert [one.name for one in reading.networks["FR"]] == ["Orange France"]
    assert reading.problems == ["1 networks of France have no name"]


@pytest.mark.parametrize(
    ("field", "value", "read"),
    [
        ("mcc", 208, ""),
        ("mcc", "20", ""),
        ("mnc", "1", ""),
        ("mnc", None, ""),
        ("speed", "5G", ("5G",)),
        ("speed", [7, None, "5G"], ("5G",)),
        ("speed", None, ()),
    ],
)
def test_other_bad_values_are_left_out(field: str, value: Any, read: Any) -> None:
    [network] = read_networks(answer(france({**ORANGE, field: value})), CODES.get).networks["FR"]
    assert getattr(network, "speeds" if field == "speed" else field) == read


@pytest.mark.parametrize(
    ("country", "problem"),
    [
        ("France", "a country has no name"),
        ({"networks": []}, "a country has no name"),
        ({"name": "Atlantis", "networks": [ORANGE]}, "Atlantis is no known country"),
        ({"name": "Hawaii", "networks": None}, "Hawaii has no list of networks"),
        ({"name": "Hawaii", "networks": [ORANGE] * 201}, "Hawaii has no list of networks"),
    ],
)
def test_a_bad_country_stops_no_other_but_makes_the_reading_incomplete(
    country: Any, problem: str
) -> None:
    reading = read_networks(answer(country, france(ORANGE)), CODES.get)
    assert list(reading.networks) == ["FR"]
    assert (reading.problems, reading.complete) == ([problem], False)


@pytest.mark.parametrize(
    "whole",
    [None, [], {}, {"countryNetworks": {}}, answer(), answer({"name": "Atlantis", "networks": []})],
)
def test_an_answer_without_a_usable_country_is_refused(whole: Any) -> None:
    with pytest.raises(Failure) as caught:
        read_networks(whole, CODES.get)
    assert caught.value.reason == "PROVIDER_BAD_ANSWER"
