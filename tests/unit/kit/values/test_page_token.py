"""Page tokens are valid only for the list and the request that they came from."""

import base64
import json
from itertools import permutations
from typing import Any

import pytest

from kit.errors import Failure
from kit.values import page_token
from protos.catalogue.v1 import catalogue_pb2
from protos.esims.v1 import esims_pb2
from protos.orders.v1 import orders_pb2
from protos.webhooks.v1 import webhooks_pb2

KEY = ["2026-01-01T00:00:00+00:00", "6f1cf7f4-3b3c-4d43-9a3c-222222222222"]
FILES = (catalogue_pb2, esims_pb2, orders_pb2, webhooks_pb2)
# Every request of a paginated list.
LISTS = [
    getattr(file, name)
    for file in FILES
    for name, message in file.DESCRIPTOR.message_types_by_name.items()
    if "page_token" in message.fields_by_name
]


def refused(request: Any, token: str) -> None:
    with pytest.raises(Failure) as refusal:
        page_token.read(request, token, 2)
    assert refusal.value.reason == "INVALID_PAGE_TOKEN"


def test_every_list_is_found() -> None:
    assert {kind.__name__ for kind in LISTS} >= {
        "ListPlansRequest",
        "ListOrdersRequest",
        "ListESIMsRequest",
        "ListEventsRequest",
    }


def test_a_token_is_valid_for_its_own_list_only() -> None:
    for own, other in permutations(LISTS, 2):
        token = page_token.write(own(page_size=20), KEY)
        assert page_token.read(own(page_token=token, page_size=5), token, 2) == KEY
        refused(other(page_size=20), token)


def test_a_token_is_valid_for_its_own_filter_only() -> None:
    def one(customer: str) -> orders_pb2.ListOrdersRequest:
        return orders_pb2.ListOrdersRequest(filter=orders_pb2.OrderFilter(customer_id=customer))

    token = page_token.write(one("a"), KEY)
    assert page_token.read(one("a"), token, 2) == KEY
    refused(one("b"), token)
    refused(orders_pb2.ListOrdersRequest(), token)


@pytest.mark.parametrize("text", ["a\0b", "\ud83d"])
def test_a_token_with_text_that_no_row_has_is_refused(text: str) -> None:
    for kind in LISTS:
        refused(kind(), page_token.write(kind(), [text, "x"]))


def encoded(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    "token",
    [
        "x",
        "\u00e9",
        encoded("null"),
        encoded("[]"),
        encoded(json.dumps({"a": 1, "b": 2})),
        encoded("[" * 100_000),
        encoded("9" * 5_000),
        encoded("[NaN, []]"),
    ],
    ids=range(8),
)
def test_a_malformed_token_is_refused(token: str) -> None:
    for kind in LISTS:
        refused(kind(), token)
