"""Costs of operations that were calculated before, by their texts and sizes."""

from collections.abc import Mapping
from typing import Any

from graphql import DocumentNode, GraphQLSchema

from gateway.cost import Measured, measure, size
from gateway.documents import CACHED
from gateway.remembered import LONGEST, characters

# Costs that are kept, of CACHED texts at most. A text that is sent with new sizes every time fills the
# cache, which is then emptied.
KEPT = 2_000

Sizes = tuple[tuple[str, int | None], ...]


class Costs:
    """The costs of valid documents for one schema, calculated once for each text and its sizes."""

    def __init__(self, schema: GraphQLSchema) -> None:
        self._schema = schema
        # By text and operation: which of its variables are sizes, and its costs by those.
        self._known: dict[tuple[str, str | None], tuple[frozenset[str], dict[Sizes, Measured]]] = {}
        self._kept = 0

    def __len__(self) -> int:
        return self._kept

    def of(
        self, text: str, document: DocumentNode, name: str | None, variables: Mapping[str, Any]
    ) -> Measured:
        """`document` is the parsed `text`, valid and within the limits of `gateway.limits`."""
        of_text = self._known.get((text, name))
        if of_text is not None:
            sizing, costs = of_text
            known = costs.get(_sizes(sizing, variables))
            if known is not None:
                return known
        measured, sizing = measure(self._schema, document, name, variables)
        if characters((text, name)) <= LONGEST:
            self._keep((text, name), sizing, variables, measured)
        return measured

    def _keep(
        self,
        key: tuple[str, str | None],
        sizing: frozenset[str],
        variables: Mapping[str, Any],
        measured: Measured,
    ) -> None:
        if self._kept >= KEPT or (key not in self._known and len(self._known) >= CACHED):
            self._known.clear()
            self._kept = 0
        _, costs = self._known.setdefault(key, (sizing, {}))
        costs[_sizes(sizing, variables)] = measured
        self._kept += 1


def _sizes(sizing: frozenset[str], variables: Mapping[str, Any]) -> Sizes:
    return tuple((key, size(variables[key])) for key in sizing if key in variables)
