"""Rows of batches: columns in any order and language of names, plans by three ways, and faults by row."""

import pytest

from gateway.sheets import batch_rows
from gateway.sheets.batch_rows import BundleName, Criteria, PlanId, SheetRow
from kit.errors import Failure

PLAN = "0190f3e4-5c7a-5000-8000-000000000001"


def rows(text: str) -> tuple[SheetRow, ...]:
    return batch_rows.read(text.encode()).rows


def codes(row: SheetRow) -> list[tuple[str, str]]:
    return [(problem.field, problem.code) for problem in row.errors]


def test_columns_are_found_in_any_order_and_spelling() -> None:
    sheet = batch_rows.read(
        f"E-Mail;Notes; Traveller Name ;QTY;Plan ID;REF\nj@x.example;n;Jürgen;3;{PLAN};T-1\n".encode()
    )
    assert sheet.ignored == ("Notes",)
    (row,) = sheet.rows
    assert row.plan == PlanId(PLAN)
    assert (row.line, row.quantity, row.name, row.email) == (2, 3, "Jürgen", "j@x.example")
    assert row.reference == "T-1"
    assert not row.errors


@pytest.mark.parametrize("name", ["山田太郎", "محمد بن سلمان", "Łukasz", "Ναταλία", "김철수", "🧳"])
def test_names_in_any_script(name: str) -> None:
    (row,) = rows(f"plan,name\nesim_1GB_7D_FR_V2,{name}\n")
    assert row.name == name
    assert row.plan == BundleName("esim_1GB_7D_FR_V2")


@pytest.mark.parametrize(
    ("data", "days", "expected"),
    [
        ("1", "7", Criteria("FR", 1_000, 7)),
        ("0.5", "7 days", Criteria("FR", 500, 7)),
        ('"1,5 GB"', "30d", Criteria("FR", 1_500, 30)),
        ("500 MB", "1", Criteria("FR", 500, 1)),
        ("Unlimited", "15", Criteria("FR", None, 15)),
    ],
)
def test_a_plan_by_country_data_and_days(data: str, days: str, expected: Criteria) -> None:
    (row,) = rows(f"country,gb,days\nFR,{data},{days}\n")
    assert row.plan == expected


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("FR,1,7,0", [("quantity", "INVALID")]),
        ("FR,1,7,11", [("quantity", "INVALID")]),
        ("FR,1,7,=2+3", [("quantity", "INVALID")]),
        ("FR,1,7,1.5", [("quantity", "INVALID")]),
        (",1,7,1", [("country", "PLAN_MISSING")]),
        ("FR,much,week,1", [("gb", "INVALID"), ("days", "INVALID")]),
        ("FR,0,0,1", [("gb", "INVALID"), ("days", "INVALID")]),
        ("FR,1e3,7,1", [("gb", "INVALID")]),
        (",,,2", [("plan", "PLAN_MISSING")]),
        ("FR,1,7,1,more", [("", "TOO_MANY_CELLS")]),
        ("FR,1,7,1,,", []),
        ("FR,1,7", []),
    ],
)
def test_faults_are_found_by_row(line: str, expected: list[tuple[str, str]]) -> None:
    good, row = rows(f"country,gb,days,quantity\nDE,1,7,1\n{line}\n")
    assert not good.errors
    assert row.line == 3
    assert codes(row) == expected


def test_plan_and_bundle_that_differ_are_ambiguous() -> None:
    (row,) = rows("plan,bundle\na,b\n")
    assert codes(row) == [("plan", "PLAN_AMBIGUOUS")]


def test_a_formula_is_plain_text_and_reported() -> None:
    (row,) = rows('plan,name,reference\nx,"=HYPERLINK(""http://e"",""n"")",-1\n')
    assert row.name == '=HYPERLINK("http://e","n")'
    assert not row.errors
    assert [(problem.field, problem.code) for problem in row.warnings] == [
        ("traveler.name", "FORMULA"),
        ("reference", "FORMULA"),
    ]


def test_a_neutralized_formula_is_read_as_it_was() -> None:
    (row,) = rows("plan,name\nx,'=1+1\n")
    assert row.name == "=1+1"


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ("name,email", "SHEET_HEADER_MISSING"),
        ("country,gb,name", "SHEET_HEADER_MISSING"),
        ("plan,name,Traveler", "COLUMN_REPEATED"),
    ],
)
def test_headers_that_do_not_suffice(header: str, reason: str) -> None:
    with pytest.raises(Failure) as raised:
        rows(f"{header}\na,b,c\n")
    assert raised.value.reason == reason
    assert "Line 1" in raised.value.message
