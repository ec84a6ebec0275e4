"""Checks of the texts, image and badges that an administrator sets."""

from typing import Any

import pytest

from kit.errors import Failure
from protos.catalogue.v1 import catalogue_pb2 as pb
from services.catalogue.curation import requests
from services.catalogue.curation.curated import Texts
from services.catalogue.plan import plan_id

PLAN = plan_id("esim_a")


def texts(**fields: Any) -> pb.SetPlanTextsRequest:
    return pb.SetPlanTextsRequest(**{"plan_id": str(PLAN), "locale": "de", **fields})


def display(**fields: Any) -> pb.SetPlanDisplayRequest:
    return pb.SetPlanDisplayRequest(**{"plan_id": str(PLAN), **fields})


def test_texts_are_trimmed_and_a_description_may_have_paragraphs() -> None:
    request = texts(
        locale="pt_br", name=" Paris ", description="One\r\n\r\nTwo ", highlights=["5G", " Hotspot"]
    )
    assert requests.texts(request) == (
        PLAN,
        "pt-BR",
        Texts("Paris", "One\n\nTwo", ("5G", "Hotspot")),
    )


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"plan_id": "esim_a"}, "plan_id"),
        ({"locale": ""}, "locale"),
        ({"locale": "xx"}, "locale"),
        ({"name": "x" * 121}, "name"),
        ({"name": "a\nb"}, "name"),
        ({"name": "a\u202eb"}, "name"),
        ({"description": "x" * 2001}, "description"),
        ({"description": "x\n" * 1001}, "description"),
        ({"description": "a\x07b"}, "description"),
        ({"highlights": [str(number) for number in range(11)]}, "highlights"),
        ({"highlights": ["fine", "x" * 121]}, "highlights[1]"),
        ({"highlights": [" "]}, "highlights[0]"),
        ({"highlights": ["same", "same "]}, "highlights[1]"),
    ],
)
def test_bad_texts_name_the_field(fields: dict[str, Any], field: str) -> None:
    with pytest.raises(Failure) as caught:
        requests.texts(texts(**fields))
    assert list(caught.value.fields) == [field]


@pytest.mark.parametrize(
    "url",
    [
        "",
        "https://shop.example/france.png",
        "https://cdn.shop.example:8443/a%20b.webp?w=400&h=300#top",
    ],
)
def test_an_image_has_an_https_address(url: str) -> None:
    assert requests.display(display(image_url=url)) == (PLAN, url, ())


@pytest.mark.parametrize(
    "url",
    [
        "http://shop.example/a.png",
        "shop.example/a.png",
        "//shop.example/a.png",
        "javascript:alert(1)",
        "data:image/png;base64,AAAA",
        "https:///a.png",
        "https://user:password@shop.example/a.png",
        "https://user@shop.example/a.png",
        "https://[::1/a.png",
        "https://shop.example:99999/a.png",
        "https://shop.example/a b.png",
        'https://shop.example/"onerror="x',
        "https://shop.example/é.png",
        "https://shop.example/" + "x" * 500,
    ],
)
def test_other_addresses_are_refused(url: str) -> None:
    with pytest.raises(Failure) as caught:
        requests.display(display(image_url=url))
    assert list(caught.value.fields) == ["image_url"]


@pytest.mark.parametrize(
    ("badges", "field"),
    [
        (["1", "2", "3", "4", "5", "6"], "badges"),
        (["x" * 41], "badges[0]"),
        (["Bestseller", ""], "badges[1]"),
        (["Bestseller", "Bestseller"], "badges[1]"),
    ],
)
def test_badges_are_few_short_and_different(badges: list[str], field: str) -> None:
    with pytest.raises(Failure) as caught:
        requests.display(display(badges=badges))
    assert list(caught.value.fields) == [field]


def test_networks_are_requested_for_one_to_a_thousand_countries() -> None:
    request = pb.BatchListNetworksRequest(isos=["fr", "FR ", "DE"])
    assert requests.isos(request, 1000) == ["FR", "DE"]
    for isos in ([], ["FR"] * 1001):
        with pytest.raises(Failure):
            requests.isos(pb.BatchListNetworksRequest(isos=isos), 1000)
