"""Who may call each method of the export links service, and which calls of the staff are logged."""

from kit.rpc.access import Access, Rule, Rules

# The servicer admits the finance staff, and members of the organization by their roles.
ACCESS: Rules = {
    "CreateExportLink": Rule(Access.SIGNED_IN, logged=("organization_id",)),
    "TakeExportLink": Rule(Access.SERVICE),
}
