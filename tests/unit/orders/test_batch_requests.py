"""Messages about requests of batches."""

from datetime import UTC, datetime

import pytest

from kit.errors import Failure
from protos.orders.v1 import batches_pb2 as pb
from services.orders.batches import requests

NOW = datetime(2026, 11, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (0, "must contain at least one row"),
        (1001, "must contain at most 1000 rows, not 1001: split the list"),
    ],
)
def test_the_number_of_rows_is_limited(rows: int, said: str) -> None:
    with pytest.raises(Failure) as raised:
        requests.batch(pb.BatchInput(items=[pb.BatchItemInput()] * rows), NOW)
    assert raised.value.fields["batch.items"] == said


def test_the_message_of_a_fault_does_not_repeat_its_field() -> None:
    traveler = pb.BatchTraveler(name="Ann", user_id="7")
    item = pb.BatchItemInput(traveler=traveler)
    (row,) = requests.batch(pb.BatchInput(items=[item]), NOW).rows
    assert [(fault.field, fault.message) for fault in row.problems] == [
        ("plan_id", "is required: choose a plan of the catalogue"),
        ("traveler.user_id", "must be a UUID in its canonical form"),
    ]
    # Where a message is all that is shown, it names the field.
    assert row.problems[1].named == "traveler.user_id: must be a UUID in its canonical form"
