"""`esimgo reports`, run by a shell against the whole platform."""

import json
from pathlib import Path

from tests.fixtures.local.command import esimgo
from tests.fixtures.postgres import Databases
from tests.fixtures.two_customers import TwoCustomers


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


async def test_sales_are_counted_again(two_customers: TwoCustomers, databases: Databases) -> None:
    auth = two_customers.platform.auth
    token = await auth.token("finance@example.com", role="finance")
    environment = {**two_customers.environment, "ESIMGO_TOKEN": token}
    await databases.until("select not exists (select from orders.unposted_orders)")

    agreed = await esimgo("reports", "rebuild", "--check", **environment)
    assert (agreed.returncode, agreed.stderr) == (0, "")
    assert agreed.stdout.startswith("no difference in 4 facts of 4 ledger transactions on ")

    await databases.admin.execute("set session_replication_role = replica")
    await databases.admin.execute("delete from orders.sales_facts where kind = 'SALE'")
    differs = await esimgo("reports", "rebuild", "--check", "--json", **environment)
    assert differs.returncode == 1
    found = json.loads(differs.stdout)
    codes = {one["code"] for one in found["differences"]}
    assert codes == {"FACT_MISSING", "SUM_DIFFERS"}
    mended = await esimgo("reports", "rebuild", **environment)
    assert mended.returncode == 0
    assert "2 facts were recorded" in mended.stdout
    again = await esimgo("reports", "rebuild", "--check", "--from", "2026-01-01", **environment)
    assert (again.returncode, "no difference" in again.stdout) == (0, True)
    wrong = await esimgo("reports", "rebuild", "--from", "31.1.2026", **environment)
    assert wrong.returncode == 2


async def test_usage_is_summed_again(two_customers: TwoCustomers, databases: Databases) -> None:
    environment = {**two_customers.environment}
    await two_customers.summed()
    await databases.admin.execute(
        """
        insert into esims.usage_samples (bundle_name, at, used_bytes, previous_bytes, source)
        values ('b', now(), 10, 0, 'READ')
        """
    )
    await databases.until("select exists (select from esims.usage_by_day)")
    agreed = await esimgo("reports", "rebuild", "--usage", "--check", **environment)
    assert (agreed.returncode, agreed.stderr) == (0, "")
    assert agreed.stdout.startswith("no difference in the sums of ")
    await databases.admin.execute("update esims.usage_by_day set bytes = bytes + 1 where bytes > 0")
    differs = await esimgo("reports", "rebuild", "--usage", "--check", "--json", **environment)
    assert differs.returncode == 1
    found = json.loads(differs.stdout)
    assert [one["time_zone"] for one in found["differences"]] == ["UTC"]
    assert int(found["summary"]["differences"]) == 1
    mended = await esimgo("reports", "rebuild", "--usage", **environment)
    assert (mended.returncode, "these sums were corrected" in mended.stdout) == (0, True)
    again = await esimgo("reports", "rebuild", "--usage", "--check", **environment)
    assert again.returncode == 0
    wrong = await esimgo("reports", "rebuild", "--usage", "--from", "2026-01-01", **environment)
    assert (wrong.returncode, "leave out --from" in wrong.stderr) == (2, True)


async def test_the_sales_of_a_month_as_text_as_json_and_as_a_page(
    two_customers: TwoCustomers, databases: Databases, tmp_path: Path
) -> None:
    auth = two_customers.platform.auth
    token = await auth.token("finance@example.com", role="finance")
    environment = {**two_customers.environment, "ESIMGO_TOKEN": token}
    await databases.until("select not exists (select from orders.unposted_orders)")
    cost = await databases.admin.fetchval(
        "select sum(amount) from orders.sales_facts where kind = 'COST'"
    )
    sold_at = await databases.admin.fetchval("select max(at) from orders.sales_facts")
    month, name = f"{sold_at:%Y-%m}", f"{sold_at:%B %Y}"

    shown = await esimgo("report", "sales", "--month", month, **environment)
    assert (shown.returncode, shown.stderr) == (0, "")
    assert shown.stdout.startswith(f"{name} in USD, days in UTC\n")
    assert "orders             2" in shown.stdout

    found = await esimgo("reports", "sales", "--month", month, "--json", **environment)
    [section] = json.loads(found.stdout)["sections"]
    assert section["figures"]["cost"] == {"amount": f"{cost.normalize():f}", "currency": "USD"}
    assert sum(day["figures"]["orders"] for day in section["days"]) == 2

    file = tmp_path / "sales.html"
    file.write_text("an older page")
    written = await esimgo("reports", "sales", "--month", month, "--html", str(file), **environment)
    assert written.stdout == f"the sales of {month} were written to {file}\n"
    text = file.read_text()
    assert f"<h1>Sales report, {name}</h1>" in text
    assert '<h2 id="USD">Sales in USD</h2>' in text
    assert names(tmp_path) == ["sales.html"]

    nowhere = tmp_path / "no" / "sales.html"
    refused = await esimgo(
        "reports", "sales", "--month", month, "--html", str(nowhere), **environment
    )
    assert (refused.returncode, "No such file or directory" in refused.stderr) == (1, True)
    unknown = await esimgo("reports", "sales", "--month", month, "--currency", "XYZ", **environment)
    assert (unknown.returncode, "ISO 4217" in unknown.stderr) == (1, True)
    for wrong in (("--month", "November"), ("--month", month, "--json", "--html", "a.html"), ()):
        assert (await esimgo("reports", "sales", *wrong, **environment)).returncode == 2
    customer = await auth.token("customer@example.com")
    denied = await esimgo("reports", "sales", "--month", month, "--token", customer, **environment)
    assert denied.returncode == 1
