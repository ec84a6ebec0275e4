"""The caller's own account."""

from typing import Self

import strawberry

from gateway.execution.auth import AuthRole, auth_field
from gateway.upstream.context import Info
from kit.auth.sessions import Session


@strawberry.type(
    description="The account of the current session, as described by its access token."
)
class Me:
    id: strawberry.ID = strawberry.field(description="Account id, a UUID.")
    email: str | None = strawberry.field(
        description="E-mail address of the account; null if the token contains none."
    )
    role: AuthRole = strawberry.field(description="Role of the session.")

    @classmethod
    def of(cls, session: Session) -> Self:
        email = session.claims.get("email")
        return cls(
            id=strawberry.ID(str(session.user_id)),
            email=email if isinstance(email, str) and email else None,
            role=AuthRole[session.role.name],
        )


@strawberry.type
class AccountQueries:
    """Mixed into Query."""

    @auth_field(description="The account of the current session.")
    async def me(self, info: Info) -> Me | None:
        return Me.of(info.context.require_session())
