"""The operations on disputes, files, early fraud warnings and payouts."""

from typing import Any

from sandbox.payments.api.common_params import METADATA
from sandbox.payments.api.listing import Listing
from sandbox.payments.api.money_moved import equals
from sandbox.payments.api.operation import FLAG, Call, Operation, operation
from sandbox.payments.api.params import Group, Required, Spec, Text
from sandbox.payments.errors import Json, invalid
from sandbox.payments.state import disputes, files, payouts, reviews, warnings
from sandbox.payments.state.dispute import FILES, TEXTS
from sandbox.payments.state.world import World


class Uploaded:
    """A file in a multipart body."""

    def parse(self, name: str, raw: Any) -> files.Upload:
        """Return the upload; raise ApiError for anything else."""
        if not isinstance(raw, files.Upload):
            raise invalid("Invalid file: send it as multipart/form-data", name)
        return raw


_LONGEST_TEXT = Text(longest=disputes.LONGEST_EVIDENCE, clearable=True)
_UPDATE: Spec = {
    "evidence": Group(dict.fromkeys((*TEXTS, *FILES), _LONGEST_TEXT)),
    "metadata": METADATA,
    "submit": FLAG,
}
_FILE: Spec = {
    "file": Required(Uploaded()),
    "purpose": Required(Text(choices=("dispute_evidence",))),
}


def _retrieve(call: Call) -> Json:
    return disputes.render(call.world, disputes.find(call.world, call.id))


def _update(call: Call) -> Json:
    return disputes.render(call.world, disputes.update(call.world, call.id, call.params))


def _close(call: Call) -> Json:
    return disputes.render(call.world, disputes.close(call.world, call.id))


def _upload(call: Call) -> Json:
    return files.store(call.world, call.params["file"], call.params["purpose"]).to_json()


def _retrieve_file(call: Call) -> Json:
    return files.find(call.world, call.id).to_json()


def _retrieve_warning(call: Call) -> Json:
    return warnings.find(call.world, call.id).to_json()


def _retrieve_review(call: Call) -> Json:
    return reviews.find(call.world, call.id).to_json()


def _approve_review(call: Call) -> Json:
    return reviews.close(call.world, reviews.find(call.world, call.id), "approved").to_json()


def _retrieve_payout(call: Call) -> Json:
    return payouts.find(call.world, call.id).to_json()


def _render(_world: World, one: Any) -> Json:
    rendered: Json = one.to_json()
    return rendered


WARNING = "radar.early_fraud_warning"
_BY_PAYMENT = {name: equals(name) for name in ("charge", "payment_intent")}
OPERATIONS: list[Operation] = [
    operation("GET", "/disputes/{}", "dispute", _retrieve),
    operation("POST", "/disputes/{}", "dispute", _update, _UPDATE),
    operation("POST", "/disputes/{}/close", "dispute", _close),
    operation("POST", "/files", "file", _upload, _FILE),
    operation("GET", "/files/{}", "file", _retrieve_file),
    operation("GET", "/radar/early_fraud_warnings/{}", WARNING, _retrieve_warning),
    operation("GET", "/reviews/{}", "review", _retrieve_review),
    operation("POST", "/reviews/{}/approve", "review", _approve_review),
    Listing(
        "/reviews",
        "review",
        # Only open ones are listed.
        lambda world: {key: one for key, one in world.reviews.items() if not one.closed_reason},
        _render,
    ).operation(),
    operation("GET", "/payouts/{}", "payout", _retrieve_payout),
    Listing(
        "/disputes", "dispute", lambda world: world.disputes, disputes.render, _BY_PAYMENT
    ).operation(),
    Listing(
        "/radar/early_fraud_warnings",
        WARNING,
        lambda world: world.warnings,
        _render,
        _BY_PAYMENT,
    ).operation(),
    Listing(
        "/payouts",
        "payout",
        lambda world: world.payouts,
        _render,
        {"status": equals("status"), "destination": equals("destination")},
    ).operation(),
]
