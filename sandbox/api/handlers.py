"""Maps the operations of the route table to handlers."""

from collections.abc import Callable, Mapping

from sandbox.api import bundles, catalogue, esims, install, orders, organisation
from sandbox.api.call import Answer, Call

HANDLERS: Mapping[str, Callable[[Call], Answer]] = {
    "listCatalogue": catalogue.list_catalogue,
    "getBundle": catalogue.get_bundle,
    "listPrices": catalogue.list_prices,
    "listNetworks": catalogue.list_networks,
    "listOrders": orders.list_orders,
    "createOrder": orders.create_order,
    "getOrder": orders.get_order,
    "getInventory": organisation.get_inventory,
    "refundInventory": organisation.refund_inventory,
    "getOrganisation": organisation.get_organisation,
    "topupBalance": organisation.topup_balance,
    "listGroups": organisation.list_groups,
    "listESIMs": esims.list_esims,
    "updateESIM": esims.update_esim,
    "applyBundle": bundles.apply_bundle,
    "getQRZip": install.get_qr_zip,
    "getCSV": install.get_csv,
    "getAssignments": install.get_assignments,
    "getESIM": esims.get_esim,
    "deleteESIM": esims.delete_esim,
    "getESIMHistory": esims.get_history,
    "refreshESIM": esims.refresh_esim,
    "checkCompatibility": esims.check_compatibility,
    "sendSMS": esims.send_sms,
    "listESIMBundles": bundles.list_bundles,
    "applyBundleToESIM": bundles.apply_to_esim,
    "getESIMBundle": bundles.get_bundle_status,
    "revokeBundle": bundles.revoke_by_name,
    "revokeApplication": bundles.revoke_assignment,
    "revokeAssignment": bundles.revoke_assignment,
    "setSuspended": esims.set_suspended,
    "getSuspended": esims.get_suspended,
    "getESIMLocation": esims.get_location,
}
