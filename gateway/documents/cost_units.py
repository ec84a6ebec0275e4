"""Cost tables of `gateway.documents.cost`: calls, changes, rows and assumed list lengths."""

# The unit is one object of the response: some 20 microseconds of a core, from message to text.
#
# A call to a service. Calls are batched, so a field of a document costs one call for any number of rows.
CALL = 10
# The lookup of one row of a nested call in the service, in addition to its object.
LOOKUP = 1
# Stale data of an eSIM is refreshed from the provider, which allows ten calls per second.
PROVIDER = 5
# A change makes at least one call to the provider, and commits several times.
CHANGE = 100
# A preview or a cancellation of one order makes two to thirty calls to the provider. The cost limit of a
# customer allows some 20 orders, which is also how many the provider answers within the deadline.
CANCELLATION_PREVIEW = 12_000
# What a customer would get back depends on the order's eSIMs, which orders reads from another service.
REFUNDABLE = 5
# A QR code takes 2 to 6 ms of a core.
QR_CODE = 100
# Facets count the plans up to seven times: some 40 ms of a core for the provider's catalogue.
COUNTING = 2_000
# Computing all prices takes some 0.7 s of the catalogue's core for each price list, but little of the
# gateway's core, and only staff may do it.
COMPUTING_PRICES = 10_000
# A report sums thousands of rows: some 40 ms of the database.
SUMMING = 2_000
# A `totalCount` stops at 10,000 rows, which take the database some 4 ms.
COUNTING_ROWS = 200
# A batch has up to 1,000 rows with as many plans. Checking them takes some 40 ms of a core, and calls to the
# catalogue.
VALIDATING_ROWS = 2_000
# Each row costs one more for each value that is selected again under an alias, because it makes the response
# longer.
ALIASED = 1
# Each row costs one more for every so many characters of a response name. Only aliases can be that long: all
# names of the schema are shorter.
NAME_LENGTH = 64
# The introspection query of tools returns some 1,500 objects.
INTROSPECTION = 2_000

# Additional work for each row.
WORK = {
    "Query.dataPlanFacets": COUNTING,
    "Query.previewPrices": COMPUTING_PRICES,
    "Query.salesReport": SUMMING,
    "Query.spendingReport": SUMMING,
    "Query.orderFunnel": SUMMING,
    "Query.cohorts": SUMMING,
    "Query.usageReport": SUMMING,
    "Query.organizationUsage": SUMMING,
    "Query.expiryReport": SUMMING,
    "Query.organizationExpiry": SUMMING,
    "Mutation.setPriceRules": COMPUTING_PRICES,
    "Mutation.setExchangeRates": COMPUTING_PRICES,
    "Mutation.setTaxRates": COMPUTING_PRICES,
    "Country.networks": LOOKUP,
    "DataPlan.networks": LOOKUP,
    "Query.quote": PROVIDER,
    "OrderConnection.totalCount": COUNTING_ROWS,
    "ESIMConnection.totalCount": COUNTING_ROWS,
    "ESIM.bundles": PROVIDER,
    "ESIM.usage": PROVIDER,
    "ESIM.qrCode": QR_CODE,
    "ESIM.order": LOOKUP,
    "ESIM.plan": LOOKUP,
    "ESIM.topUpPlans": LOOKUP,
    "ESIMBundle.plan": LOOKUP,
    "Order.dataPlan": LOOKUP,
    "Order.esims": LOOKUP,
    "Order.timeline": LOOKUP,
    "Order.cancellation": CANCELLATION_PREVIEW,
    "Order.payment": LOOKUP,
    "Order.refundable": REFUNDABLE,
    "Payment.order": LOOKUP,
    "Mutation.cancelOrder": CANCELLATION_PREVIEW,
    "Batch.items": CALL,
    "BatchItem.order": LOOKUP,
    "Query.validateBatch": VALIDATING_ROWS,
    "Mutation.createBatch": VALIDATING_ROWS,
    "Mutation.retryBatch": VALIDATING_ROWS,
}
# Fields that spend the shop's money at the provider.
PURCHASES = frozenset({"Mutation.purchaseESIM", "Mutation.createBatch", "Mutation.retryBatch"})
# Nested fields whose values come from a call to a service.
CALLS = frozenset(WORK) - {"ESIM.qrCode", "OrderConnection.totalCount", "ESIMConnection.totalCount"}
# Assumed lengths of lists without a size argument.
ASSUMED_LENGTHS = {
    "Query.dataPlans": 6_000,  # the provider's catalogue has 5,221 plans
    "Query.countries": 250,  # all countries of the world
    "Query.regions": 10,  # the regions of the provider
    "DataPlanFacets.countries": 250,
    "DataPlanFacets.regions": 10,
    "DataPlanFacets.durations": 10,  # all durations that the provider offers
    "DataPlanFacets.bundleGroups": 5,  # the groups of the provider
    "DataPlan.countries": 3,  # the average of the provider's catalogue is 2.5
    "DataPlan.networks": 3,  # one for each country
    "Country.networks": 3,  # two to four in most countries
    "CountryNetworks.networks": 3,
    "DataPlan.allowances": 1,  # every plan of the provider has one
    "Order.esims": 2,  # at most 10, but nearly always one
    "Order.timeline": 10,  # the maximum number of steps
    "ESIM.bundles": 5,  # the first bundle and later top-ups; old bundles are not returned
    "SetFeaturedPlansResult.plans": 50,  # the maximum
    "OrderCancellation.bundles": 10,  # one for each eSIM of an order
    "CancelOrderResult.revoked": 10,  # one for each eSIM of an order
    "PriceRuleSet.priceLists": 10,  # the maximum
    "PriceRuleSet.rules": 1_000,  # the maximum
    "PriceRule.matrix": 20,  # a few groups with a few durations; at most 1,000
    "PriceRuleVersionPage.nodes": 20,  # unless `first` says otherwise
    "PlanPricePage.nodes": 100,  # unless `first` says otherwise
    "PricePreview.priceLists": 10,  # the maximum
    "PriceListPreview.margins": 30,  # buckets from a loss to 100 %
    "PriceListPreview.worst": 200,  # the maximum
    "PriceExplanation.steps": 5,  # one of each kind
    "CouponPage.nodes": 50,  # unless `first` says otherwise
    "APIKeyPage.nodes": 50,  # unless `first` says otherwise
    "TravelerPage.nodes": 20,  # unless `first` says otherwise
    "Query.shareLinks": 5,  # at most 100
    "Query.exchangeRates": 40,  # the ECB's file has some 30
    "Query.taxRates": 250,  # all countries
    "SetExchangeRatesResult.rates": 40,
    "SetTaxRatesResult.rates": 250,
    "Payment.refunds": 2,  # nearly always none
    "RefundOrderResult.refunds": 2,  # the maximum
    "PaymentPage.nodes": 20,  # unless `first` says otherwise
    "DisputePage.nodes": 20,  # unless `first` says otherwise
    "DisputeEvidence.disputes": 2,  # nearly always one
    "DisputeEvidence.items": 20,  # fields of the payment provider's form
    "LedgerTransaction.entries": 5,  # two to six
    "Query.myOrganizations": 3,  # a person is a member of one or two
    "Query.organizationGroups": 50,  # at most 1,000
    "OrganizationPage.nodes": 50,  # unless `first` says otherwise
    "MemberPage.nodes": 50,  # unless `first` says otherwise
    "InvitationPage.nodes": 50,  # unless `first` says otherwise
    "StatementPage.nodes": 20,  # unless `first` says otherwise
    "StatementLinePage.nodes": 20,  # unless `first` says otherwise
    "Statement.settlements": 3,  # a payment or two, seldom a credit note
    "Query.wallets": 3,  # one for each currency
    "BatchPage.nodes": 20,  # unless `first` says otherwise
    "BatchItemPage.nodes": 100,  # unless `first` says otherwise
    "BatchValidation.rows": 100,  # at most 1,000
    "BatchValidation.problems": 1,  # nearly always none
    "BatchValidation.budgets": 2,  # at most one for each scope and period
    "BatchRow.errors": 1,  # nearly always none
    "BatchRow.warnings": 1,  # the maximum
    "SalesReport.rows": 400,  # the maximum without groups
    "SalesReport.totals": 2,  # one for each currency
    "SalesRow.groups": 3,  # the maximum
    "SpendingReport.rows": 400,
    "SpendingRow.groups": 3,
    "OrderFunnel.failures": 10,  # reasons why orders fail
    "CohortReport.cohorts": 60,  # at most 120
    "Cohort.cells": 30,  # half as many on average
    "UsageReport.rows": 400,
    "UsageRow.groups": 3,
    "ExpiryReport.shares": 10,  # always
    "Query.budgets": 50,  # those of the organization, of groups and of members; at most 5,000
    "Query.accounts": 100,  # some ten accounts, and one for each currency of wallets
    "Subscription.myESIMsUpdated": 500,  # the maximum of one event
}
# The assumed length of any other list. A test requires that every list of the schema is named above or has a
# size argument.
DEFAULT_LENGTH = 100
# The maximum size argument of any list; resolvers refuse larger ones.
MAX_LENGTH = 10_000
# Arguments that are list sizes.
SIZES = ("first", "representations")
