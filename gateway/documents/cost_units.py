"""Cost tables of `gateway.documents.cost`: calls, changes, rows and assumed list lengths."""

# The unit is one object of the response: some 20 microseconds of a core, from message to text.
#
# A call to a service. Calls are batched, so a field in a document costs one, whatever the number of rows.
CALL = 10
# The lookup of one row of a nested call in the service, in addition to its object.
LOOKUP = 1
# Stale data of an eSIM is refreshed from the provider, which allows ten calls per second.
PROVIDER = 5
# A change makes at least one call to the provider, and commits several times.
CHANGE = 100
# Two to thirty calls to the provider for one order. The cost limit of a customer allows some 20 orders, which
# is also what the provider answers within the deadline.
CANCELLATION_PREVIEW = 12_000
# What a customer would get back depends on the order's eSIMs, which orders reads from another service.
REFUNDABLE = 5
# A QR code takes 2 to 6 ms of a core.
QR_CODE = 100
# Facets count the plans up to seven times: some 40 ms of a core for the provider's catalogue.
COUNTING = 2_000
# Computing all prices takes the catalogue some 0.7 s of a core for each price list. Most of it is the
# catalogue's core, and only staff may do it.
COMPUTING_PRICES = 10_000
# Counting stops at 10,000 rows: some 4 ms of the database.
COUNTING_ROWS = 200
# A value that is selected again under another name, for each row: aliases make responses long.
ALIASED = 1
# Each row costs one more per so many characters of a response name. The schema's names are shorter.
NAME_LENGTH = 64
# The introspection query of tools returns some 1,500 objects.
INTROSPECTION = 2_000

# Additional work for each row.
WORK = {
    "Query.dataPlanFacets": COUNTING,
    "Query.previewPrices": COMPUTING_PRICES,
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
}
# Fields that spend the shop's money at the provider.
PURCHASES = frozenset({"Mutation.purchaseESIM"})
# Nested fields that a service is called for.
CALLS = frozenset(WORK) - {"ESIM.qrCode", "OrderConnection.totalCount", "ESIMConnection.totalCount"}
# Assumed lengths of lists without a size argument.
ASSUMED_LENGTHS = {
    "Query.dataPlans": 6_000,  # the provider's catalogue has 5,221 plans
    "Query.countries": 250,  # all that there are
    "Query.regions": 10,  # the provider's
    "DataPlanFacets.countries": 250,
    "DataPlanFacets.regions": 10,
    "DataPlanFacets.durations": 10,  # the provider's, all of them
    "DataPlanFacets.bundleGroups": 5,  # the provider's
    "DataPlan.countries": 3,  # 2.5 on average over the provider's catalogue
    "DataPlan.networks": 3,  # one for each country
    "Country.networks": 3,  # two to four in most countries
    "CountryNetworks.networks": 3,
    "DataPlan.allowances": 1,  # one each there
    "Order.esims": 2,  # at most 10, but nearly always one
    "Order.timeline": 10,  # the maximum number of steps
    "ESIM.bundles": 5,  # the first, and later top-ups; old ones are not returned
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
    "Query.wallets": 3,  # one for each currency
    "Query.accounts": 100,  # some ten, and one for each wallet's currency
    "Subscription.myESIMsUpdated": 500,  # the maximum of one event
}
# Any other list. A test requires that every list of the schema is named above or has a size argument.
DEFAULT_LENGTH = 100
# The maximum length of any list; the resolver refuses larger arguments.
MAX_LENGTH = 10_000
# Arguments that are list sizes.
SIZES = ("first", "representations")
