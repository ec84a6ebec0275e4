"""Schema types of who travels with an eSIM."""

import strawberry

from gateway.execution.columns import text
from gateway.execution.views import View, read
from gateway.schema import inputs
from protos.esims.v1 import esims_pb2


@strawberry.type(
    description="A person who travels with an eSIM that an organization, or another customer, bought."
)
class Traveler(View):
    id: strawberry.ID = read("id", description="A UUID.")
    name: str | None = read(
        text("name"), description="Name; null if only an e-mail address is known."
    )
    email: str | None = read(text("email"), description="E-mail address; null if unknown.")
    user_id: strawberry.ID | None = read(
        text("user_id"),
        description="Id of the account with which they see their eSIMs; null if none is known.",
    )
    proto: strawberry.Private[esims_pb2.Traveler]


@strawberry.input(
    description="A person who travels with an eSIM. The same name, e-mail address and account in one"
    " organization is the same traveler."
)
class TravelerInput:
    name: str | None = strawberry.field(
        default=None,
        description="Name in any script, at most 200 characters. Required without an e-mail address.",
    )
    email: str | None = strawberry.field(
        default=None, description="E-mail address, at most 320 characters."
    )
    user_id: strawberry.ID | None = strawberry.field(
        default=None,
        description="Id of their account, with which they see the eSIM. It must be a member of the eSIM's"
        " organization.",
    )

    def to_proto(self) -> esims_pb2.Traveler:
        """Return the message; raise Failure INVALID."""
        return esims_pb2.Traveler(
            name=self.name or "",
            email=self.email or "",
            user_id=inputs.optional_id(
                "traveler.userId", self.user_id, "for a person without an account"
            ),
        )
