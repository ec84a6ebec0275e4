"""Statuses of batches and of their rows, and what a failure means for the others."""

from enum import Enum

import strawberry


@strawberry.enum(description="What a failure of one row of a batch means for the others.")
class BatchErrorPolicy(Enum):
    REJECT_ALL = strawberry.enum_value(
        "REJECT_ALL",
        description="A row that can't be bought refuses the batch before anything is bought. A row that fails"
        " later fails alone: no policy buys all or nothing, because the provider can't.",
    )
    SKIP_FAILED = strawberry.enum_value(
        "SKIP_FAILED", description="Rows that can't be bought fail, and the others are bought."
    )
    STOP_ON_FAILURE = strawberry.enum_value(
        "STOP_ON_FAILURE",
        description="The first order that fails stops the batch; what is bought stays bought. Slower, as"
        " each order waits for the one before.",
    )


@strawberry.enum(description="Status of a batch.")
class BatchStatus(Enum):
    SCHEDULED = strawberry.enum_value("SCHEDULED", description="Waits for `notBefore`.")
    PROCESSING = strawberry.enum_value(
        "PROCESSING", description="Orders are being placed, or wait for their eSIMs."
    )
    WAITING_FOR_BALANCE = strawberry.enum_value(
        "WAITING_FOR_BALANCE",
        description="The wallet, the credit or the shop's own balance is too low for the next order. The"
        " batch continues automatically once it suffices.",
    )
    PAUSED = strawberry.enum_value(
        "PAUSED",
        description="The organization is suspended, or a purchase limit is reached. The batch continues"
        " automatically afterwards.",
    )
    COMPLETED = strawberry.enum_value("COMPLETED", description="All rows were delivered.")
    PARTIAL = strawberry.enum_value(
        "PARTIAL", description="Some rows were delivered, others failed."
    )
    FAILED = strawberry.enum_value("FAILED", description="No row was delivered.")
    CANCELLED = strawberry.enum_value(
        "CANCELLED",
        description="Cancelled before all rows were ordered; `counts` says what was delivered before.",
    )


@strawberry.enum(description="Status of a row of a batch.")
class BatchItemStatus(Enum):
    PENDING = strawberry.enum_value("PENDING", description="Not ordered yet.")
    PROCESSING = strawberry.enum_value("PROCESSING", description="Its order is being processed.")
    DELIVERED = strawberry.enum_value(
        "DELIVERED",
        description="Its eSIMs were delivered. The order may have been cancelled or refunded later.",
    )
    FAILED = strawberry.enum_value(
        "FAILED", description="Nothing was bought for it; `code` and `error` say why."
    )
    CANCELLED = strawberry.enum_value(
        "CANCELLED",
        description="The batch was cancelled, or stopped by another row, before it was bought.",
    )
