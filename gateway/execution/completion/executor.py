"""graphql-core's executor, which completes values by compiled plans where nothing is in the way."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from graphql import GraphQLList, GraphQLObjectType, GraphQLResolveInfo, OperationType
from graphql.pyutils import Path
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from gateway.execution.completion.direct import Direct
from gateway.execution.completion.levels import AT_ONCE, rest, spend
from gateway.execution.completion.plan import Details, ObjectPlan, Row, Run
from gateway.execution.completion.selections import Ways


class Completing(StrawberryGraphQLCoreExecutionContext):
    """Resolves as graphql-core does, and completes what resolvers gave by plans.

    A plan makes no errors: at the first thing that isn't as usual it is dropped, and graphql-core
    completes the value from its beginning. That may be done twice, as completing only reads: from
    messages, and from loaders, which remember.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        ways = self.context_value.prepared.once(Ways)
        self._selections = ways.of(self.variable_values.coerced)
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
        if self.operation.operation is OperationType.QUERY and not self._selections.looked_at:
            self._selections.looked_at = True
            self._selections.direct = self._direct(root_type, top)
        return super().execute_collected_root_fields(
            root_type, root_value, top, serially, new_defer_usages
        )

    def _direct(self, root_type: GraphQLObjectType, top: dict[str, Details]) -> Direct | None:
        """The way by which the next requests are executed, if there is one without this executor."""
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
            # Nothing of this request may stay.
            info._replace(
                root_value=None,
                variable_values={},
                context=None,
                async_helpers=None,
                operation_extensions=None,
            ),
            lambda type_: self._selections.plan(type_, details, self._collect),
        )

    def complete_list_value(
        self,
        return_type: GraphQLList[Any],
        field_details_list: Details,
        info: GraphQLResolveInfo[Any],
        path: Path,
        result: Any,
        position_context: Any,
    ) -> Any:
        stock = super().complete_list_value

        def fall_back() -> Any:
            return stock(return_type, field_details_list, info, path, result, position_context)

        plan = self._selections.plan(return_type, field_details_list, self._collect)
        if plan is None:
            return fall_back()
        return self._complete(plan, lambda: plan.sources(result), lambda rows: rows, fall_back)

    def complete_object_value(
        self,
        return_type: GraphQLObjectType,
        field_details_list: Details,
        info: GraphQLResolveInfo[Any],
        path: Path,
        result: Any,
        position_context: Any,
    ) -> Any:
        stock = super().complete_object_value

        def fall_back() -> Any:
            return stock(return_type, field_details_list, info, path, result, position_context)

        plan = self._selections.plan(return_type, field_details_list, self._collect)
        if plan is None:
            return fall_back()
        return self._complete(plan, lambda: [plan.source(result)], lambda rows: rows[0], fall_back)

    def _collect(self, kind: GraphQLObjectType, details: Details) -> dict[str, Details]:
        collected: dict[str, Details] = self.collect_subfields(kind, details).grouped_field_set
        return collected

    def _complete(
        self,
        plan: ObjectPlan,
        sources: Callable[[], Sequence[Any]],
        answer: Callable[[list[Row]], Any],
        fall_back: Callable[[], Any],
    ) -> Any:
        run = Run(self.context_value.room)
        completed = None
        with suppress(Exception):  # whatever it is, graphql-core meets it too, and words it
            found = sources()
            rows = plan.rows(found[:AT_ONCE], run)
            if len(found) > AT_ONCE or run.waiting:
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
        with suppress(Exception):  # likewise
            await rest(plan, found, rows, run, self.context_value)
            return answer(rows)
        stock = fall_back()
        return await stock if self.is_awaitable(stock) else stock
