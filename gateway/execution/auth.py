"""The @auth directive, and the check behind it: every field that has the directive is guarded."""

from collections.abc import Callable
from enum import Enum
from inspect import isawaitable
from typing import Any, TypeVar

import strawberry
from graphql import GraphQLField
from strawberry.extensions import FieldExtension
from strawberry.schema_directive import Location
from strawberry.types.field import StrawberryField

from gateway.upstream.context import Context, Info
from kit.auth.sessions import Role

Resolver = TypeVar("Resolver", bound=Callable[..., Any])


@strawberry.enum(description="Role of a session.")
class AuthRole(Enum):
    CUSTOMER = strawberry.enum_value(
        "CUSTOMER", description="A signed-in user, who can access only their own data."
    )
    SUPPORT = strawberry.enum_value(
        "SUPPORT",
        description="Support staff, who can read the orders of all customers, without activation codes.",
    )
    FINANCE = strawberry.enum_value(
        "FINANCE",
        description="Finance staff, who can do what SUPPORT can, see costs, and manage prices, taxes and"
        " coupons.",
    )
    ADMIN = strawberry.enum_value(
        "ADMIN",
        description="An administrator, who can do what FINANCE can, and access the data of all customers.",
    )


@strawberry.schema_directive(
    locations=[Location.FIELD_DEFINITION],
    name="auth",
    description="The field requires a session: an access token in the Authorization header.",
)
class Auth:
    """The directive in the SDL on every field that SessionRequired guards."""

    role: AuthRole | None = strawberry.directive_field(name="role", default=strawberry.UNSET)


class SessionRequired(FieldExtension):
    """Adds @auth to a field, and resolves the field only for callers with a suitable session."""

    def __init__(self, role: AuthRole | None = None) -> None:
        self._role = role

    def check(self, context: Context) -> None:
        """Raise Failure UNAUTHENTICATED without a session, FORBIDDEN for one of an insufficient role."""
        if self._role is None:
            context.require_session()
        else:
            context.require_role(Role[self._role.name])

    def apply(self, field: StrawberryField) -> None:
        # Called again on the same field for each schema that is built.
        directive = Auth() if self._role is None else Auth(role=self._role)
        if directive not in field.directives:
            field.directives.append(directive)

    async def resolve_async(
        self, next_: Callable[..., Any], source: Any, info: Info, **kwargs: Any
    ) -> Any:
        self.check(info.context)
        resolved = next_(source, info, **kwargs)
        # A subscription resolves to an asynchronous generator.
        return await resolved if isawaitable(resolved) else resolved


def auth_field(*, description: str, name: str | None = None) -> Callable[[Resolver], Resolver]:
    """Declare a query or mutation that requires a session."""
    return _declare(strawberry.field, description, SessionRequired(), name=name)


def support_field(*, description: str) -> Callable[[Resolver], Resolver]:
    """Declare a query or mutation for all staff: support, finance and administrators."""
    return _declare(strawberry.field, description, SessionRequired(AuthRole.SUPPORT))


def finance_field(*, description: str) -> Callable[[Resolver], Resolver]:
    """Declare a query or mutation for the finance staff and administrators."""
    return _declare(strawberry.field, description, SessionRequired(AuthRole.FINANCE))


def admin_field(*, description: str) -> Callable[[Resolver], Resolver]:
    """Declare a query or mutation for administrators."""
    return _declare(strawberry.field, description, SessionRequired(AuthRole.ADMIN))


def auth_subscription(
    *, description: str, name: str | None = None
) -> Callable[[Resolver], Resolver]:
    """Declare a subscription that requires a session."""
    return _declare(strawberry.subscription, description, SessionRequired(), name=name)


def public_field(*, description: str) -> Callable[[Resolver], Resolver]:
    """Declare a field without a guard."""
    return _declare(strawberry.field, description)


def _declare(
    declare: Callable[..., Any], description: str, *guards: FieldExtension, name: str | None = None
) -> Callable[[Resolver], Resolver]:
    declared: Callable[[Resolver], Resolver] = declare(
        name=name, description=description, extensions=[*guards]
    )
    return declared


def guarded(field: GraphQLField) -> bool:
    """True if a field of the built schema requires a session."""
    definition = field.extensions.get("strawberry-definition")
    return not isinstance(definition, StrawberryField) or any(
        isinstance(extension, SessionRequired) for extension in definition.extensions
    )
