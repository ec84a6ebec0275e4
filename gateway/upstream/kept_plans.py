"""Keeps plans in memory while the catalogue reports that nothing changed."""

from collections.abc import Awaitable, Callable, Sequence

from protos.catalogue.v1 import catalogue_pb2 as pb

# Some 2 kB each: the provider's whole catalogue takes 10 MB.
MAX_PLANS = 10_000

Read = Callable[[list[str]], Awaitable[Sequence[pb.DataPlan]]]


class KeptPlans:
    """The plans that orders and eSIMs refer to, by id; one instance per process.

    Plans are public and rarely change, but most answers with an order or eSIM contain one. They are kept only
    while the stream of the catalogue's revision is open, so that a change is seen as soon as it is reported.
    """

    def __init__(self) -> None:
        self._plans: dict[str, pb.DataPlan] = {}
        # None while changes are not reported. Each revision has its own object.
        self._revision: object | None = None

    def changed(self) -> None:
        """Forget all plans, and keep those that are read from now on."""
        self._plans.clear()
        self._revision = object()

    def unwatched(self) -> None:
        """Forget all plans, and keep none until `changed` is called."""
        self._plans.clear()
        self._revision = None

    async def find(self, ids: Sequence[str], read: Read) -> list[pb.DataPlan | None]:
        """Return the plans in the order of the ids, None for an unknown one; `read` gets those not kept.

        Callers share the messages, so they must not modify them.
        """
        found = {id_: plan for id_ in ids if (plan := self._plans.get(id_)) is not None}
        missing = [id_ for id_ in ids if id_ not in found]
        if missing:
            revision = self._revision
            plans = {plan.id: plan for plan in await read(missing)}
            found |= plans
            # A plan that was read before a change is not kept after it.
            if revision is not None and revision is self._revision:
                if len(self._plans) + len(plans) > MAX_PLANS:
                    self._plans.clear()
                self._plans |= plans
        return [found.get(id_) for id_ in ids]
