"""Events, how they are delivered, and each delivery attempt's result."""

import random
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from sandbox.payments.errors import Json

API_VERSION = "2026-10-28.endive"


@dataclass
class Event:
    """One event with the state of its object when it occurred."""

    id: str
    created: int
    type: str
    object: Json
    previous: Json | None
    request: str | None
    idempotency_key: str | None
    api_version: str = API_VERSION

    def to_json(self, pending_webhooks: int) -> Json:
        """Return the object as the API and webhooks return it."""
        data: Json = {"object": self.object}
        if self.previous is not None:
            data["previous_attributes"] = self.previous
        return {
            "id": self.id,
            "object": "event",
            "api_version": self.api_version,
            "created": self.created,
            "data": data,
            "livemode": False,
            "pending_webhooks": pending_webhooks,
            "request": {"id": self.request, "idempotency_key": self.idempotency_key},
            "type": self.type,
        }


@dataclass
class Delivery:
    """The delivery of one event to the webhook endpoint."""

    sequence: int
    event: Event
    due: float
    status: str = "pending"
    attempts: int = 0
    http_status: int | None = None
    error: str = ""

    def to_json(self) -> Json:
        """Return the delivery for the admin API."""
        return {
            "sequence": self.sequence,
            "event": self.event.id,
            "type": self.event.type,
            "object": self.event.object.get("id"),
            "status": self.status,
            "due": self.due,
            "attempts": self.attempts,
            "http_status": self.http_status,
            "error": self.error,
        }


@dataclass
class DeliveryMode:
    """How events are delivered from now on; the fields apply to the types that match `types`.

    `delay_seconds` delivers late by the sandbox's clock, `copies` sends the same event several times,
    `twins` adds a second event with another id, `lose` never sends that many events,
    `lose_probability` loses some at random, `stale` sends the previous state of the object,
    `shuffle` sends waiting events in random order, `held` sends none until they are released, and
    `before_answer` delivers before the API request that caused the event is answered. `decoy` adds a
    signature of scheme v0, which receivers must ignore. `retry_seconds` are the waits between attempts.
    """

    types: list[str] = field(default_factory=lambda: ["*"])
    held: bool = False
    delay_seconds: float = 0.0
    copies: int = 1
    twins: bool = False
    lose: int = 0
    lose_probability: float = 0.0
    stale: bool = False
    shuffle: bool = False
    before_answer: bool = False
    decoy: bool = True
    retry_seconds: list[float] = field(default_factory=lambda: [300.0, 3600.0, 10_800.0])
    seed: int = 1

    def matches(self, type_: str) -> bool:
        """Return true if the mode applies to events of this type."""
        return any(fnmatchcase(type_, pattern) for pattern in self.types)

    def to_json(self) -> Json:
        """Return the mode for the admin API."""
        return asdict(self)


class EventLog:
    """All events, and the deliveries of those whose type matches one of `types`, in order."""

    def __init__(self, types: Sequence[str] = ("*",)) -> None:
        self._types = types
        self.events: dict[str, Event] = {}
        self.deliveries: list[Delivery] = []
        self.of_event: dict[str, list[Delivery]] = {}
        # Deliveries that are still to be tried, by sequence.
        self.waiting: dict[int, Delivery] = {}
        self.mode = DeliveryMode()
        self.random = random.Random(1)
        self.on_news: Callable[[], None] = lambda: None
        self._latest: dict[str, Json] = {}

    def set_mode(self, mode: DeliveryMode) -> None:
        """Change how later events are delivered."""
        self.mode = mode
        self.random = random.Random(mode.seed)

    def record(self, event: Event, twin_id: str, now: float) -> None:
        """Store an event and plan its deliveries; `twin_id` is the id of a twin, if one is made."""
        mode, applies = self.mode, self.mode.matches(event.type)
        key = str(event.object.get("id"))
        current = event.object
        if applies and mode.stale and key in self._latest:
            event.object = self._latest[key]
        self._latest[key] = current
        events = [event]
        if applies and mode.twins:
            fields: dict[str, Any] = {**vars(event), "id": twin_id}
            events.append(Event(**fields))
        for one in events:
            self.events[one.id] = one
            if not any(fnmatchcase(one.type, pattern) for pattern in self._types):
                continue
            lost = applies and self._loses()
            for _ in range(mode.copies if applies else 1):
                due = now + (mode.delay_seconds if applies else 0.0)
                delivery = Delivery(len(self.deliveries) + 1, one, due)
                if lost:
                    delivery.status = "lost"
                else:
                    self.waiting[delivery.sequence] = delivery
                self.deliveries.append(delivery)
                self.of_event.setdefault(one.id, []).append(delivery)
        self.on_news()

    def pending_of(self, event: Event) -> int:
        """Return how many deliveries of an event have not succeeded and will still be tried."""
        return sum(one.status == "pending" for one in self.of_event.get(event.id, []))

    def _loses(self) -> bool:
        if self.mode.lose > 0:
            self.mode.lose -= 1
            return True
        probability = self.mode.lose_probability
        return probability > 0 and self.random.random() < probability
