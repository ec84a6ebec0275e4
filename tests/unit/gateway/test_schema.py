"""The schema: documented names, descriptions, and @auth exactly where a session is required."""

import pytest
from graphql import GraphQLEnumType, GraphQLInputObjectType, GraphQLObjectType, parse
from graphql.language import FieldDefinitionNode, ObjectTypeDefinitionNode

from gateway.schema import export as export_schema
from gateway.schema.assembly import build
from tests.fixtures.answers.random_services import context
from tests.unit.gateway.built_schema import FEDERATION, SCHEMA, SDL

SIGNED_IN = {
    "Query": {
        *("myOrganizations", "organization", "organizationMembers", "organizationInvitations"),
        "organizationGroups",
        *("myESIMs", "esimDetails", "esims", "myOrders", "orderDetails", "orders", "quote", "me"),
        "apiKeys",
        *("budgets", "organizationOrders", "spendingReport", "organizationUsage"),
        "organizationExpiry",
        *("batch", "batches", "validateBatch"),
        *("organizationESIMs", "travelers", "shareLinks"),
        *("wallets", "walletBalance", "walletEntries", "topUp"),
        *("creditAccount", "statements", "statement", "statementLines"),
    },
    "Mutation": {
        *("inviteMember", "acceptInvitation", "revokeInvitation", "setMemberRole", "removeMember"),
        *("createGroup", "renameGroup", "archiveGroup", "addGroupMember", "removeGroupMember"),
        "purchaseESIM",
        "cancelOrder",
        "suspendESIM",
        "restoreESIM",
        "updateESIMReference",
        "resumePayment",
        "topUpWallet",
        "createAPIKey",
        "revokeAPIKey",
        *("setBudget", "deleteBudget"),
        *("createBatch", "cancelBatch", "retryBatch"),
        *("assignESIM", "unassignESIM"),
        *("createShareLink", "revokeShareLink", "showShareLinkCode"),
        "createExportLink",
    },
    "Subscription": {"batchUpdated", "esimStatusUpdated", "myESIMsUpdated", "orderUpdated"},
}
STAFF = {
    "SUPPORT": {
        "Query": {"organizations", "allOrders", "heldOrders", "usageReport", "expiryReport"}
    },
    "FINANCE": {
        "Query": {
            "priceRules",
            "priceRuleVersions",
            "previewPrices",
            "explainPrice",
            "priceHistory",
            "planPrices",
            "exchangeRates",
            "taxRates",
            "coupons",
            "payments",
            "disputes",
            "disputeEvidence",
            "ledger",
            "accounts",
            "salesReport",
            "orderFunnel",
            "cohorts",
        },
        "Mutation": {
            "setPriceRules",
            "setExchangeRates",
            "setTaxRates",
            "createCoupon",
            "disableCoupon",
            "releaseOrder",
            "rejectOrder",
            "refundOrder",
            "markOrderPaid",
            "correctWallet",
            "issueStatement",
            "recordStatementPayment",
            "creditStatement",
        },
    },
    "ADMIN": {
        "Mutation": {
            *("setPlanHidden", "setFeaturedPlans", "setPlanTexts", "setPlanDisplay"),
            *("createOrganization", "updateOrganization"),
            *("suspendOrganization", "resumeOrganization"),
        }
    },
}


def fields_of(name: str) -> dict[str, str]:
    kind = SCHEMA.type_map[name]
    assert isinstance(kind, GraphQLObjectType | GraphQLInputObjectType)
    return {field: str(definition.type) for field, definition in kind.fields.items()}


def test_the_committed_file_is_up_to_date() -> None:
    assert export_schema.main(["--check"]) == 0


def test_auth_is_on_the_signed_in_fields_and_nowhere_else() -> None:
    marked: dict[str | None, dict[str, set[str]]] = {}
    for node in parse(SDL).definitions:
        for field in getattr(node, "fields", None) or ():
            assert isinstance(node, ObjectTypeDefinitionNode) or not field.directives
            auth = [d for d in field.directives or () if d.name.value == "auth"]
            if isinstance(field, FieldDefinitionNode) and auth:
                assert isinstance(node, ObjectTypeDefinitionNode)
                (directive,) = auth
                (role,) = [a.value.value for a in directive.arguments or ()] or [None]
                marked.setdefault(role, {}).setdefault(node.name.value, set()).add(field.name.value)
    assert marked.pop(None) == SIGNED_IN
    assert marked == STAFF
    assert "directive @auth(role: AuthRole) on FIELD_DEFINITION" in SDL


def test_customer_data_is_reachable_only_through_guarded_fields() -> None:
    query = SCHEMA.query_type
    assert query is not None
    guarded = SIGNED_IN["Query"].union(*(of.get("Query", ()) for of in STAFF.values()))
    open_fields = set(query.fields) - guarded - FEDERATION
    visited: set[str] = set()
    pending = [str(query.fields[name].type).strip("[]!") for name in open_fields]
    while pending:
        name = pending.pop()
        kind = SCHEMA.type_map[name]
        if name not in visited and isinstance(kind, GraphQLObjectType):
            pending += [str(field.type).strip("[]!") for field in kind.fields.values()]
        visited.add(name)
    assert "DataPlan" in visited
    assert not visited & {"Order", "ESIM", "ESIMBundle", "ESIMUsage", "PlanPrice", "PriceRuleSet"}


def test_everything_has_a_description() -> None:
    missing = []
    for name, kind in SCHEMA.type_map.items():
        if name.startswith("__") or name in FEDERATION or name in ("Int", "Float"):
            continue
        if not kind.description:
            missing.append(name)
        if isinstance(kind, GraphQLEnumType):
            missing += [f"{name}.{k}" for k, v in kind.values.items() if not v.description]
        if isinstance(kind, GraphQLObjectType | GraphQLInputObjectType):
            for key, field in kind.fields.items():
                if not field.description and key not in FEDERATION:
                    missing.append(f"{name}.{key}")
        if isinstance(kind, GraphQLObjectType):
            for key, field in kind.fields.items():
                missing += [
                    f"{name}.{key}({a})"
                    for a, argument in field.args.items()
                    if not argument.description and key not in FEDERATION
                ]
    assert missing == []


@pytest.mark.parametrize(
    ("operation", "documented"),
    [
        ("dataPlans", "[DataPlan!]!"),
        ("featuredPlans", "[DataPlan!]!"),
        ("dataPlan", "DataPlan"),
        ("myESIMs", "[ESIM!]!"),
        ("esimDetails", "ESIM"),
        ("myOrders", "[Order!]!"),
        ("orderDetails", "Order"),
    ],
)
def test_queries_have_their_documented_types(operation: str, documented: str) -> None:
    assert fields_of("Query")[operation] == documented


@pytest.mark.parametrize(
    ("name", "documented"),
    [
        (
            "DataPlan",
            "id name description region countries duration price currency isUnlimited bundleGroup"
            " features availableQuantity",
        ),
        ("Country", "name iso region"),
        ("Order", "id reference status dataPlan quantity totalPrice esims createdAt updatedAt"),
        (
            "ESIM",
            "id order plan iccid customerRef qrCode status assignedDate lastAction actionDate bundles"
            " usage createdAt updatedAt activationCode smdpAddress matchingId appleInstallUrl"
            " androidInstallUrl",
        ),
        ("ESIMBundle", "id name state dataUsed dataRemaining startDate endDate"),
        ("ESIMUsage", "totalUsed totalRemaining activeBundles"),
        ("PurchaseESIMResult", "success order error code"),
        ("ESIMResult", "success esim error code"),
        ("CancelOrderResult", "success order error code"),
        ("PurchaseInput", "quantity customerReference autoActivate"),
        ("DataPlanFilter", "region country duration maxPrice"),
        ("OrderFilter", "status fromDate toDate"),
    ],
)
def test_types_have_their_documented_fields(name: str, documented: str) -> None:
    assert set(documented.split()) <= set(fields_of(name))


@pytest.mark.parametrize(
    ("name", "documented"),
    [
        ("OrderStatus", "PROCESSING COMPLETED FAILED CANCELLED REFUNDED"),
        ("ESIMStatus", "PROCESSING ASSIGNED ACTIVE SUSPENDED EXPIRED CANCELLED"),
        ("BundleState", "PROCESSING ACTIVE INACTIVE SUSPENDED EXPIRED CANCELLED"),
    ],
)
def test_enums_have_their_documented_values(name: str, documented: str) -> None:
    kind = SCHEMA.type_map[name]
    assert isinstance(kind, GraphQLEnumType)
    assert list(kind.values) == documented.split()


def test_the_schema_is_a_federation_2_subgraph() -> None:
    assert 'url: "https://specs.apollo.dev/federation/v2' in SDL
    for name in ("DataPlan", "Order", "ESIM"):
        assert f'type {name} @key(fields: "id")' in SDL


async def test_the_subgraph_sdl_equals_the_committed_file() -> None:
    result = await build(12).execute(
        "{ _service { sdl } }", context_value=context(seed=1, invalid=0)
    )
    assert result.data is not None
    assert result.data["_service"]["sdl"] + "\n" == SDL
