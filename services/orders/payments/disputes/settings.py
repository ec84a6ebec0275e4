"""Settings of disputes: what happens automatically."""

from dataclasses import dataclass
from typing import Self

from kit.values.env import Env


@dataclass(frozen=True, slots=True)
class DisputeSettings:
    """The operator's choices; `poll_every` is in seconds."""

    suspend: bool = False
    refund_warnings: bool = False
    poll_every: float = 3600.0

    @classmethod
    def read(cls, env: Env) -> Self:
        return cls(
            suspend=env.flag(
                "DISPUTES_SUSPEND",
                "Suspend the eSIMs of an order when its payment is disputed, or refunded because of an"
                " early fraud warning. Inquiries, which take no money, suspend nothing.",
                default=False,
            ),
            refund_warnings=env.flag(
                "REFUND_FRAUD_WARNINGS",
                "Refund a card payment as soon as its bank reports it as probably fraudulent, before it"
                " becomes a dispute with a fee.",
                default=False,
            ),
            # Webhooks report new ones within seconds; without them this is how late they are seen.
            poll_every=env.number(
                "DISPUTES_POLL_SECONDS",
                "Interval between polls for new disputes and early fraud warnings, in seconds, in case"
                " their events were lost.",
                3600,
                low=1,
                high=86_400,
            ),
        )
