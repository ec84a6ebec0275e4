"""The event of a callback, and the service that owns it."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

from protos.esims.v1 import events_pb2 as esims_pb
from protos.orders.v1 import events_pb2 as orders_pb
from protos.orders.v1 import payments_pb2 as payments_pb

UNKNOWN = "unknown"

Event: TypeAlias = esims_pb.ProviderEvent | orders_pb.ProviderEvent | payments_pb.PaymentEvent


class Owner(StrEnum):
    """The service that an event is delivered to. PAYMENTS is a service of the orders process."""

    ESIMS = "esims"
    ORDERS = "orders"
    PAYMENTS = "payments"


@dataclass(frozen=True, slots=True)
class Understood:
    """A callback's type and event. Without an event it has no owner, and `problem` says why.

    `type` is the provider's name for it. `event` is the change alone; delivery adds its id and time. It is
    not printed, as it may contain an activation code. `content_digest` is None for a body that is not JSON.
    """

    type: str
    event: Event | None = field(default=None, repr=False)
    problem: str = ""
    content_digest: bytes | None = None

    @property
    def owner(self) -> Owner | None:
        match self.event:
            case esims_pb.ProviderEvent():
                return Owner.ESIMS
            case orders_pb.ProviderEvent():
                return Owner.ORDERS
            case payments_pb.PaymentEvent():
                return Owner.PAYMENTS
        return None

    @property
    def iccid(self) -> str | None:
        """The eSIM that the event is about; events of orders name theirs inside."""
        return self.event.iccid if isinstance(self.event, esims_pb.ProviderEvent) else None
