"""Who may call each method of the catalogue's services, and which calls of operators are logged."""

from collections.abc import Mapping

from kit.auth.operator_log import Acts
from kit.rpc.guard import Access

ACCESS: Mapping[str, Access] = {
    "ListPlans": Access.PUBLIC,
    "GetPlan": Access.PUBLIC,
    "BatchGetPlans": Access.PUBLIC,
    "BatchListTopUpPlans": Access.PUBLIC,
    "ListFeaturedPlans": Access.PUBLIC,
    "ListRegions": Access.PUBLIC,
    "ListCountries": Access.PUBLIC,
    "GetPlanFacets": Access.PUBLIC,
    "WatchRevision": Access.PUBLIC,
    "BatchListNetworks": Access.PUBLIC,
    "SetFeaturedPlans": Access.ADMIN,
    "SetPlanHidden": Access.ADMIN,
    "SetPlanTexts": Access.ADMIN,
    "SetPlanDisplay": Access.ADMIN,
    "SyncCatalogue": Access.ADMIN,
    "GetSyncStatus": Access.ADMIN,
}
# Logged with these fields where an administrator or an operator makes the call.
ACTS: Acts = {
    "SetFeaturedPlans": ("plan_ids",),
    "SetPlanHidden": ("plan_id", "hidden"),
    "SetPlanTexts": ("plan_id", "locale"),
    "SetPlanDisplay": ("plan_id",),
    "SyncCatalogue": (),
}
# What API keys may call, and the scope that they need.
SCOPES: Mapping[str, str] = {
    name: "plans:read" for name, access in ACCESS.items() if access is Access.PUBLIC
}

PRICES_ACCESS: Mapping[str, Access] = {
    "GetPriceRules": Access.FINANCE,
    "ListPriceRuleVersions": Access.FINANCE,
    "SetPriceRules": Access.FINANCE,
    "PreviewPrices": Access.FINANCE,
    "ExplainPrice": Access.FINANCE,
    "ListPriceHistory": Access.FINANCE,
    "ListPlanPrices": Access.FINANCE,
    "GetExchangeRates": Access.FINANCE,
    "SetExchangeRates": Access.FINANCE,
    "ListTaxRates": Access.FINANCE,
    "SetTaxRates": Access.FINANCE,
    "QuotePlan": Access.SERVICE,
    "BatchQuotePlans": Access.SERVICE,
}
PRICES_ACTS: Acts = {
    "SetPriceRules": ("expected_version",),
    "SetExchangeRates": ("rates", "accept_jump"),
    "SetTaxRates": ("rates",),
}
