"""`esimgo export`, run by a shell against the whole platform."""

import csv
import io
import os
import stat
from pathlib import Path

from pyarrow import parquet

from tests.fixtures.days import days
from tests.fixtures.local.command import esimgo
from tests.fixtures.two_customers import TwoCustomers


async def test_an_export_is_a_whole_file_or_none(
    two_customers: TwoCustomers, tmp_path: Path
) -> None:
    token = await two_customers.platform.auth.token("fay@example.com", role="finance")
    environment = {**two_customers.environment, "ESIMGO_TOKEN": token}
    period = ("--from", days()["from"], "--to", days()["to"])
    file = tmp_path / "orders.csv"
    done = await esimgo("export", "orders", *period, "--bom", "--out", str(file), **environment)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"2 rows in {file}, as of 20")
    data = file.read_bytes()
    assert data.startswith(b"\xef\xbb\xbfid,created_day,")
    found = list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline="")))
    assert {row["id"] for row in found} == {one["id"] for one in two_customers.orders.values()}
    assert stat.S_IMODE(file.stat().st_mode) == 0o600

    # Refused: the file from before is still there, and nothing else.
    sue = await two_customers.platform.auth.token("sue@example.com", role="support")
    environment["ESIMGO_TOKEN"] = sue
    refused = await esimgo("export", "orders", *period, "--out", str(file), **environment)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.startswith("esimgo: Not allowed")
    assert file.read_bytes() == data
    assert os.listdir(tmp_path) == [file.name]  # noqa: PTH208 - a folder of one file


async def test_the_format_is_that_of_the_name(two_customers: TwoCustomers, tmp_path: Path) -> None:
    file = tmp_path / "customers.parquet"
    done = await esimgo("export", "customers", "--out", str(file), **two_customers.environment)
    assert (done.returncode, done.stderr) == (0, "")
    assert parquet.read_table(file).num_rows == 2
    text = tmp_path / os.fsdecode(b"all\x80.parquet")  # not UTF-8
    done = await esimgo(
        *("export", "esims", "--format", "csv", "--out", str(text)), **two_customers.environment
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "all\\udc80.parquet, as of" in done.stdout
    assert text.read_bytes().count(b"\r\n") == 5


async def test_what_is_wrong_is_said_in_terms_of_the_options(
    two_customers: TwoCustomers, tmp_path: Path
) -> None:
    environment = two_customers.environment
    missing = await esimgo("export", "ledger", **environment)
    assert missing.returncode == 1
    assert missing.stderr.startswith(
        "esimgo: --from: must be a day such as 2026-11-01; --to: must be a day"
    )
    period = ("--from", "2026-11-01", "--to", "2026-11-30")
    zone = await esimgo("export", "sales", *period, "--time-zone", "Berlin", **environment)
    assert zone.returncode == 1
    assert "--time-zone: must be an IANA time zone" in zone.stderr
    organization = ("--organization", "6f9619ff-8b86-4011-b42d-00c04fc964ff")
    scope = await esimgo("export", "customers", *organization, **environment)
    assert "--organization: customers can't be exported for one organization" in scope.stderr
    nowhere = tmp_path / "missing" / "sales.csv"
    lost = await esimgo("export", "sales", *period, "--out", str(nowhere), **environment)
    assert lost.returncode == 1
    assert f"{nowhere} can't be written: No such file or directory" in lost.stderr
    unknown = await esimgo("export", "order", **environment)
    assert unknown.returncode == 2
