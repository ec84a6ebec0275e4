"""Who may call each method of the catalogue's services, and which calls of the staff are logged."""

from kit.rpc.access import Access, Rule, Rules

ACCESS: Rules = {
    "ListPlans": Rule(Access.PUBLIC, "plans:read"),
    "GetPlan": Rule(Access.PUBLIC, "plans:read"),
    "BatchGetPlans": Rule(Access.PUBLIC, "plans:read"),
    "BatchListTopUpPlans": Rule(Access.PUBLIC, "plans:read"),
    "ListFeaturedPlans": Rule(Access.PUBLIC, "plans:read"),
    "ListRegions": Rule(Access.PUBLIC, "plans:read"),
    "ListCountries": Rule(Access.PUBLIC, "plans:read"),
    "GetPlanFacets": Rule(Access.PUBLIC, "plans:read"),
    "WatchRevision": Rule(Access.PUBLIC, "plans:read"),
    "BatchListNetworks": Rule(Access.PUBLIC, "plans:read"),
    "SetFeaturedPlans": Rule(Access.ADMIN, logged=("plan_ids",)),
    "SetPlanHidden": Rule(Access.ADMIN, logged=("plan_id", "hidden")),
    "SetPlanTexts": Rule(Access.ADMIN, logged=("plan_id", "locale")),
    "SetPlanDisplay": Rule(Access.ADMIN, logged=("plan_id",)),
    "SyncCatalogue": Rule(Access.ADMIN, logged=()),
    "GetSyncStatus": Rule(Access.ADMIN),
}

PRICES_ACCESS: Rules = {
    "GetPriceRules": Rule(Access.FINANCE),
    "ListPriceRuleVersions": Rule(Access.FINANCE),
    "SetPriceRules": Rule(Access.FINANCE, logged=("expected_version",)),
    "PreviewPrices": Rule(Access.FINANCE),
    "ExplainPrice": Rule(Access.FINANCE),
    "ListPriceHistory": Rule(Access.FINANCE),
    "ListPlanPrices": Rule(Access.FINANCE),
    "GetExchangeRates": Rule(Access.FINANCE),
    "SetExchangeRates": Rule(Access.FINANCE, logged=("rates", "accept_jump")),
    "ListTaxRates": Rule(Access.FINANCE),
    "SetTaxRates": Rule(Access.FINANCE, logged=("rates",)),
    "QuotePlan": Rule(Access.SERVICE),
    "BatchQuotePlans": Rule(Access.SERVICE),
}
