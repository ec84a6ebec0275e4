"""The logins of the services, which the first run of the migrations creates."""

LOGINS = ("catalogue_service", "orders_service", "esims_service", "webhooks_service")
# Of reports, which only read; optional.
REPORT_LOGINS = ("orders_reports", "esims_reports")
