"""Check of the last sync of the provider's catalogue, as the catalogue service reports it."""

from collections.abc import Mapping

from cli.doctor.finding import Finding
from kit.errors import Failure
from kit.net.tls import TLS
from kit.rpc import client as rpc_client
from protos.catalogue.v1 import catalogue_pb2
from protos.catalogue.v1.catalogue_pb2_grpc import CatalogueServiceStub

# Seconds.
TIMEOUT = 10
# Number of problems in a finding; the log of the catalogue service has ten.
MAX_PROBLEMS = 3


async def last_sync(address: str, tls: TLS, values: Mapping[str, str]) -> list[Finding]:
    """Call the catalogue service; no findings if it does not answer, which another check reports."""
    async with rpc_client.channel(address, tls) as channel:
        try:
            status = await rpc_client.call(
                CatalogueServiceStub(channel).GetSyncStatus,
                catalogue_pb2.GetSyncStatusRequest(),
                token=values["SUPABASE_SERVICE_ROLE_KEY"],
                timeout=TIMEOUT,
            )
        except Failure:
            return []
    return findings(status)


def findings(status: catalogue_pb2.GetSyncStatusResponse) -> list[Finding]:
    """Report a failed sync, or the records that the last sync could not use."""
    if not status.HasField("last"):
        return [Finding("the provider's catalogue is being loaded for the first time")]
    if status.last.error:
        return [
            Finding(
                f"the last catalogue refresh failed: {status.last.error}",
                "run `./esimgo catalogue sync`; for the causes see docs/runbooks/alerts.md,"
                " CatalogueOld",
            )
        ]
    last = status.last
    if last.skipped:
        problems = list(last.problems[:MAX_PROBLEMS])
        more = f" and {last.skipped - len(problems)} more" if last.skipped > len(problems) else ""
        return [
            Finding(
                f"{last.skipped} records of the provider's catalogue can't be used, so"
                f" {last.withheld} plans are off sale: {'; '.join(problems)}{more}",
                "report these bundles to the provider; see docs/runbooks/alerts.md,"
                " CatalogueSkipsRecords",
            )
        ]
    return [Finding(f"the last catalogue refresh loaded all {last.plan_count} plans")]
