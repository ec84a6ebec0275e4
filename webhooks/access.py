"""Who may call each method of the webhooks service, and which calls of the staff are logged."""

from kit.rpc.access import Access, Rule, Rules

ACCESS: Rules = {
    "ListEvents": Rule(Access.ADMIN),
    "GetEvent": Rule(Access.ADMIN),
    "ReplayEvents": Rule(Access.ADMIN, logged=("event_ids", "filter")),
    "GetStats": Rule(Access.ADMIN),
    "ExportEvents": Rule(Access.SERVICE, logged=()),
    "EraseEvents": Rule(Access.SERVICE, logged=()),
}
