"""Which events the payment sandbox sends."""

from pathlib import Path

from sandbox.payments.settings import DEFAULT_WEBHOOK_TYPES, PaymentSettings
from sandbox.payments.state.world import World

PAGE = Path(__file__).parents[3] / "docs" / "webhooks.md"


def test_only_types_to_which_the_endpoint_is_subscribed_are_sent() -> None:
    world = World(PaymentSettings())
    for type_ in ("payment_intent.created", "refund.updated", "charge.succeeded"):
        world.emit(type_, {"id": "x"})
    assert [event.type for event in world.log.events.values()] == [
        "payment_intent.created",
        "refund.updated",
        "charge.succeeded",
    ]
    assert [one.event.type for one in world.log.deliveries] == ["refund.updated"]


def test_the_default_is_what_the_page_tells_to_subscribe() -> None:
    section = PAGE.read_text().split("## Events of Stripe")[1].split("Other types do no harm")[0]
    lines = section[section.index("\n- ") :]
    assert set(lines.split("`")[1::2]) == set(DEFAULT_WEBHOOK_TYPES)
