"""Costs of calls, changes and rows, and assumed list lengths: the tables of `gateway.documents.cost`."""

# The unit is an object of the answer: some 20 microseconds of a core, from the message to the text.
#
# A call to a service, once for each place in a document, as the rows of a place are asked for together.
CALL = 10
# A row's part of a nested call: its look-up in the service, beside the object that it brings.
LOOKUP = 1
# An eSIM whose data is older than 300 s is asked for at the provider, ten of which a second is all.
PROVIDER = 5
# A change is at least one call of the provider's, and commits several times.
CHANGE = 100
# Two to thirty calls of the provider, for one order: some 20 orders are all that a customer's operation
# may cost, and all that the provider answers in its time.
EXAMINATION = 12_000
# A QR code takes 2 to 6 ms of a core.
DRAWING = 100
# Plans of a filter are counted up to seven ways: some 40 ms of a core for the provider's catalogue.
COUNTING = 2_000
# Rows of a customer, or of a shop, are counted to 10,000 at most: some 4 ms of the database.
COUNTING_ROWS = 200
# A value that is selected once more under another name, on each row: aliases make answers long.
ALIASED = 1
# Characters of a name in the answer for which each row costs one more: the schema's own names are shorter.
NAME_LENGTH = 64
# The whole description of the schema, which tools read at once: some 1,500 objects.
INTROSPECTION = 2_000

# Work beyond the objects, for each row.
WORK = {
    "Query.dataPlanFacets": COUNTING,
    "OrderConnection.totalCount": COUNTING_ROWS,
    "ESIMConnection.totalCount": COUNTING_ROWS,
    "ESIM.bundles": PROVIDER,
    "ESIM.usage": PROVIDER,
    "ESIM.qrCode": DRAWING,
    "ESIM.order": LOOKUP,
    "ESIM.plan": LOOKUP,
    "ESIM.topUpPlans": LOOKUP,
    "ESIMBundle.plan": LOOKUP,
    "Order.dataPlan": LOOKUP,
    "Order.esims": LOOKUP,
    "Order.timeline": LOOKUP,
    "Order.cancellation": EXAMINATION,
    "Mutation.cancelOrder": EXAMINATION,
}
# Fields that spend the shop's money at the provider.
BUYING = frozenset({"Mutation.purchaseESIM"})
# Nested fields that a service is called for.
CALLS = frozenset(WORK) - {
    "ESIM.qrCode",
    "OrderConnection.totalCount",
    "ESIMConnection.totalCount",
}
# How long a list is taken to be where no argument says it.
ASSUMED = {
    "Query.dataPlans": 6_000,  # the provider's catalogue has 5,221 plans
    "Query.countries": 250,  # all that there are
    "Query.regions": 10,  # the provider's
    "DataPlanFacets.countries": 250,
    "DataPlanFacets.regions": 10,
    "DataPlanFacets.durations": 10,  # the provider's, all of them
    "DataPlanFacets.bundleGroups": 5,  # the provider's
    "DataPlan.countries": 3,  # 2.5 on average over the provider's catalogue
    "DataPlan.allowances": 1,  # one each there
    "Order.esims": 2,  # at most 10, but nearly always one
    "Order.timeline": 10,  # the longest way has that many steps
    "ESIM.bundles": 5,  # the first, and what was added since; old ones are dropped from the answers
    "SetFeaturedPlansResult.plans": 50,  # the most that may be chosen
    "OrderCancellation.bundles": 10,  # one for each eSIM of an order
    "CancelOrderResult.revoked": 10,  # one for each eSIM of an order
    "Subscription.myESIMsUpdated": 500,  # the most that an event holds
}
# Any other list; a test holds every list of the schema to be named above or to have a size.
ELSEWHERE = 100
# What no list is longer than, whatever an argument says: too large a page is refused by name later.
LONGEST = 10_000
# Arguments that say how long a list is.
SIZES = ("first", "representations")
