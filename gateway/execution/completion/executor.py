"""graphql-core's executor, with compiled plans that complete objects and lists where possible."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from graphql import GraphQLObjectType, GraphQLOutputType, GraphQLResolveInfo, OperationType
from graphql.pyutils import Path
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from gateway.execution.completion.direct import Direct
from gateway.execution.completion.levels import CHUNK, complete_rest, spend
from gateway.execution.completion.plan import Details, ObjectPlan, Row, Run
from gateway.execution.completion.selections import SelectionVariants


class Completing(StrawberryGraphQLCoreExecutionContext):
    """Resolves fields as graphql-core does, and completes the resolvers' results with compiled plans.

    A plan reports no errors: at the first unusual value it gives up, and graphql-core completes the whole
    result again. Completing twice is harmless, because it only reads messages and loaders, which cache.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        variants = self.context_value.prepared.once(SelectionVariants)
        self._selections = variants.of(self.variable_values.coerced)
        self._relevant_sub_fields = self._selections.subfields

    def execute_collected_root_fields(
        self,
        root_type: GraphQLObjectType,
        root_value: Any,
        grouped_field_set: dict[str, Details],
        serially: bool,
        new_defer_usages: Sequence[Any],
    ) -> Any:
        top = self._selections.top(grouped_field_set)
        if self.operation.operation is OperationType.QUERY and not self._selections.examined:
            self._selections.examined = True
            self._selections.direct = self._direct(root_type, top)
        return super().execute_collected_root_fields(
            root_type, root_value, top, serially, new_defer_usages
        )

    def _direct(self, root_type: GraphQLObjectType, top: dict[str, Details]) -> Direct | None:
        """Return how to execute the next requests without this executor, if that is possible."""
        if len(top) != 1:
            return None
        ((name, details),) = top.items()
        field = root_type.fields.get(details[0].node.name.value)
        if field is None:
            return None
        nodes, path = [one.node for one in details], Path(None, name, root_type.name)
        info: Any = self.build_resolve_info(field, nodes, root_type, path)
        return Direct.of(
            name,
            field,
            details,
            # Nothing of this request may be retained.
            info._replace(
                root_value=None,
                variable_values={},
                context=None,
                async_helpers=None,
                operation_extensions=None,
            ),
            lambda type_: self._selections.plan(type_, details, self._collect),
        )

    def complete_list_value(self, *args: Any, **kwargs: Any) -> Any:
        fall_back = partial(super().complete_list_value, *args, **kwargs)
        return self._complete(fall_back, ObjectPlan.sources, lambda rows: rows, *args)

    def complete_object_value(self, *args: Any, **kwargs: Any) -> Any:
        fall_back = partial(super().complete_object_value, *args, **kwargs)
        return self._complete(fall_back, _source, lambda rows: rows[0], *args)

    def _collect(self, kind: GraphQLObjectType, details: Details) -> dict[str, Details]:
        collected: dict[str, Details] = self.collect_subfields(kind, details).grouped_field_set
        return collected

    def _complete(
        self,
        fall_back: Callable[[], Any],
        sources: Callable[[ObjectPlan, Any], Sequence[Any]],
        answer: Callable[[list[Row]], Any],
        return_type: GraphQLOutputType,
        details: Details,
        _info: GraphQLResolveInfo[Any],
        _path: Path,
        result: Any,
        _position_context: Any,
    ) -> Any:
        plan = self._selections.plan(return_type, details, self._collect)
        if plan is None:
            return fall_back()
        run = Run(self.context_value.room)
        completed = None
        with suppress(Exception):  # graphql-core runs into the same exception, and reports it
            found = sources(plan, result)
            rows = plan.rows(found[:CHUNK], run)
            if len(found) > CHUNK or run.waiting:
                completed = self._complete_later(plan, found, rows, run, answer, fall_back)
            else:
                spend(run, self.context_value)
                completed = answer(rows)
        return fall_back() if completed is None else completed

    async def _complete_later(
        self,
        plan: ObjectPlan,
        found: Sequence[Any],
        rows: list[Row],
        run: Run,
        answer: Callable[[list[Row]], Any],
        fall_back: Callable[[], Any],
    ) -> Any:
        with suppress(Exception):  # as in _complete
            await complete_rest(plan, found, rows, run, self.context_value)
            return answer(rows)
        stock = fall_back()
        return await stock if self.is_awaitable(stock) else stock


def _source(plan: ObjectPlan, value: Any) -> Sequence[Any]:
    return [plan.source(value)]
