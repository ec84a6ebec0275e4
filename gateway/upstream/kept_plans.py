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

    def get(self, id_: str) -> pb.DataPlan | None:
        """Return the plan if it is kept. Callers share the message, so they must not modify it."""
        return self._plans.get(id_)

    async def read(self, read: Read, ids: list[str]) -> list[pb.DataPlan | None]:
        """Return the plans, in the order of the ids, as `read` returns them; None for an unknown one."""
        revision = self._revision
        found = {plan.id: plan for plan in await read(ids)}
        # A plan that was read before a change is not kept after it.
        if revision is not None and revision is self._revision:
            if len(self._plans) + len(found) > MAX_PLANS:
                self._plans.clear()
            self._plans |= found
        return [found.get(id_) for id_ in ids]
