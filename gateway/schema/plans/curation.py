"""Operations for administrators: texts by language, the image and the badges of a plan."""

from typing import Annotated

import strawberry

from gateway.execution.auth import admin_field
from gateway.schema import results
from gateway.schema.plans.queries import PlanIdArgument
from gateway.schema.plans.types import DataPlan
from gateway.upstream.context import Info
from protos.catalogue.v1 import catalogue_pb2


@strawberry.type(description="Result of `setPlanTexts`.")
class SetPlanTextsResult:
    success: bool = strawberry.field(description="True if the texts were replaced.")
    plan: DataPlan | None = strawberry.field(
        default=None,
        description="The plan with its texts in this language; null if the request was refused.",
    )
    error: str | None = results.error()
    code: str | None = results.code("PLAN_NOT_FOUND")


@strawberry.type(description="Result of `setPlanDisplay`.")
class SetPlanDisplayResult:
    success: bool = strawberry.field(description="True if the image and the badges were replaced.")
    plan: DataPlan | None = strawberry.field(
        default=None, description="The plan; null if the request was refused."
    )
    error: str | None = results.error()
    code: str | None = results.code("PLAN_NOT_FOUND")


TextsLocaleArgument = Annotated[
    str,
    strawberry.argument(description='BCP 47 code of the language, such as "de" or "pt-BR".'),
]
NameArgument = Annotated[
    str,
    strawberry.argument(
        description="Replaces the generated title; at most 120 characters. Empty: the generated one."
    ),
]
DescriptionArgument = Annotated[
    str,
    strawberry.argument(
        description="At most 2,000 characters; may contain line breaks. Empty: the provider's."
    ),
]
HighlightsArgument = Annotated[
    list[str],
    strawberry.argument(description="At most 10 selling points of at most 120 characters each."),
]
ImageArgument = Annotated[
    str,
    strawberry.argument(
        description="HTTPS address of at most 500 characters, without a user. Empty: no image."
    ),
]
BadgesArgument = Annotated[
    list[str],
    strawberry.argument(description="At most 5 labels of at most 40 characters each."),
]


@strawberry.type
class CurationMutations:
    """Mixed into Mutation."""

    @admin_field(
        description="Replaces all texts of a plan in one language. A text that is left out falls back to"
        " the more general language, then to English or the text made from the provider's data. Safe to"
        " repeat."
    )
    @results.refusable(SetPlanTextsResult)
    async def set_plan_texts(
        self,
        info: Info,
        plan_id: PlanIdArgument,
        locale: TextsLocaleArgument,
        name: NameArgument = "",
        description: DescriptionArgument = "",
        highlights: HighlightsArgument = [],  # noqa: B006 - the schema's default value, never changed
    ) -> SetPlanTextsResult | None:
        request = catalogue_pb2.SetPlanTextsRequest(
            plan_id=plan_id,
            locale=locale,
            name=name,
            description=description,
            highlights=highlights,
        )
        answer = await info.context.change(info.context.peers.catalogue.SetPlanTexts, request)
        return SetPlanTextsResult(success=True, plan=DataPlan.of(answer.plan))

    @admin_field(
        description="Replaces the image and the badges of a plan, which are the same in every language."
        " What is left out is removed. Safe to repeat."
    )
    @results.refusable(SetPlanDisplayResult)
    async def set_plan_display(
        self,
        info: Info,
        plan_id: PlanIdArgument,
        image_url: ImageArgument = "",
        badges: BadgesArgument = [],  # noqa: B006 - as above
    ) -> SetPlanDisplayResult | None:
        request = catalogue_pb2.SetPlanDisplayRequest(
            plan_id=plan_id, image_url=image_url, badges=badges
        )
        answer = await info.context.change(info.context.peers.catalogue.SetPlanDisplay, request)
        return SetPlanDisplayResult(success=True, plan=DataPlan.of(answer.plan))
