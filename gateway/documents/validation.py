"""Validation of documents within a budget of errors and comparisons."""

from graphql import DocumentNode, GraphQLError, GraphQLSchema, validate
from graphql.validation import OverlappingFieldsCanBeMergedRule, ValidationContext, specified_rules
from strawberry.schema.validation_rules.maybe_null import MaybeNullValidationRule
from strawberry.schema.validation_rules.one_of import OneOfInputValidationRule

from gateway.documents import limits

# graphql-core's message when its comparison budget is used up.
ABORTED = "Validation aborted."


class Validation:
    """Validates documents against one schema."""

    def __init__(
        self, schema: GraphQLSchema, *, errors: int, comparisons: int, suggestions: bool
    ) -> None:
        self._schema = schema
        self.errors = errors
        self.suggestions = suggestions
        self._comparisons = comparisons
        self._rules = [
            _within(comparisons) if rule is OverlappingFieldsCanBeMergedRule else rule
            for rule in (*specified_rules, MaybeNullValidationRule, OneOfInputValidationRule)
        ]

    def __call__(self, document: DocumentNode) -> list[GraphQLError]:
        """Return the errors of a document, none if it is valid."""
        errors = validate(
            self._schema,
            document,
            self._rules,
            max_errors=self.errors,
            hide_suggestions=not self.suggestions,
        )
        if errors and errors[-1].message == ABORTED:
            return [_too_many_comparisons(self._comparisons)]
        return errors


def _too_many_comparisons(limit: int) -> GraphQLError:
    message = (
        "The document requires more than {1} comparisons of fields with the same response name"
    )
    return limits.too_complex(message, "COMPARISONS", limit + 1, limit)


def _within(comparisons: int) -> type[OverlappingFieldsCanBeMergedRule]:
    """Return graphql-core's rule with a smaller budget; its own of half a million takes seconds."""

    class Within(OverlappingFieldsCanBeMergedRule):
        def __init__(self, context: ValidationContext) -> None:
            super().__init__(context)
            self.rule_context.remaining_complexity_budget = comparisons

    return Within
