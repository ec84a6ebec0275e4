"""Messages of services name fields as the GraphQL schema does."""

import pytest

from gateway.errors import message, translated
from kit.errors import Failure, Kind, invalid


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("requires `organization_id`", "requires `organizationId`"),
        ("requires filter.organization_id", "requires filter.organizationId"),
        ("costs 5 USD, and max_total is 0: raise it", "costs 5 USD, and maxTotal is 0: raise it"),
        ("traveler.user_id: must be a UUID", "traveler.userId: must be a UUID"),
        # Values stay as they are.
        ('must not be "next_page"', 'must not be "next_page"'),
        ("esim_1GB_7D_GB_V2 is not sold", "esim_1GB_7D_GB_V2 is not sold"),
        ("ann_lee@acme.example is invited", "ann_lee@acme.example is invited"),
        ("set ORDERS_LOW_BALANCE", "set ORDERS_LOW_BALANCE"),
    ],
)
def test_names_in_a_text(text: str, named: str) -> None:
    assert translated(text) == named


def test_names_in_the_message_of_a_failure() -> None:
    failure = invalid({"group_id": "requires `organization_id`"})
    assert message(failure) == "groupId: requires `organizationId`"
    assert message(Failure(Kind.REFUSED, "R", "max_total is 0")) == "maxTotal is 0"
