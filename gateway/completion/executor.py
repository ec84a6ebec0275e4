"""graphql-core's executor, which completes values by compiled plans where nothing is in the way."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from graphql import GraphQLList, GraphQLObjectType, GraphQLResolveInfo
from graphql.pyutils import Path
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from gateway.completion.leaves import Surprise
from gateway.completion.plan import Details, ObjectPlan, Run
from gateway.completion.selections import Operations
from gateway.slices import Turn

# Under this name the schema carries the Operations that were executed on it.
OPERATIONS = "esimgo.operations"
# Objects that are completed before anybody else gets a turn: plans with all their countries take
# some 10 microseconds each.
AT_ONCE = 100


class Completing(StrawberryGraphQLCoreExecutionContext):
    """Resolves as graphql-core does, and completes what resolvers gave by plans.

    A plan makes no errors: at the first thing that isn't as usual it is dropped, and graphql-core
    completes the value from its beginning. That may be done twice, as completing only reads: from
    messages, and from loaders, which remember.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        operations: Operations = self.schema.extensions[OPERATIONS]
        ways = operations.of(self.operation, self.fragment_definitions)
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
        return super().execute_collected_root_fields(
            root_type, root_value, top, serially, new_defer_usages
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
        answer: Callable[[list[dict[str, Any]]], Any],
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
                self._spend(run)
                completed = answer(rows)
        return fall_back() if completed is None else completed

    async def _complete_later(
        self,
        plan: ObjectPlan,
        found: Sequence[Any],
        rows: list[dict[str, Any]],
        run: Run,
        answer: Callable[[list[dict[str, Any]]], Any],
        fall_back: Callable[[], Any],
    ) -> Any:
        with suppress(Exception):  # likewise
            turn = Turn()
            for start in range(AT_ONCE, len(found), AT_ONCE):
                await turn.share()
                rows += plan.rows(found[start : start + AT_ONCE], run)
            while run.waiting:
                await self._load(run)
            self._spend(run)
            return answer(rows)
        stock = fall_back()
        return await stock if self.is_awaitable(stock) else stock

    def _spend(self, run: Run) -> None:
        """Raises Surprise when other fields used the room up meanwhile."""
        if run.objects > self.context_value.room:
            raise Surprise
        self.context_value.spend(run.objects)

    async def _load(self, run: Run) -> None:
        """Fills what waits for loaders: one round for all fields of a level."""
        waiting, run.waiting = run.waiting, []
        loaders = self.context_value.loaders
        asked = [
            (plan, sources, rows, field, [getattr(one, field.reading.key) for one in sources])
            for plan, sources, rows in waiting
            for field in plan.loaded
        ]
        for *_, field, keys in asked:
            loaders.of(field.reading.loader).ask(keys)
        for plan, sources, rows, (name, reading, complete), keys in asked:
            found = await loaders.of(reading.loader).many(keys)
            for source, row, value in zip(sources, rows, found, strict=True):
                made = reading.make(plan.kind.of(source), value)
                if isinstance(made, Sequence):
                    run.count(len(made))
                row[name] = complete(made, run)
