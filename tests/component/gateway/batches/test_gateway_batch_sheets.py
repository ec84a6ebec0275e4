"""POST /batches/csv: what the orders service receives of a sheet, and the answer row by row."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest

from kit.errors import Failure, Kind
from protos.catalogue.v1 import catalogue_pb2
from protos.common.v1 import money_pb2
from protos.orders.v1 import batches_pb2 as pb
from tests.fixtures.answers.sheets import PLANS, SHEET, post, sent
from tests.fixtures.gateway import Client, Gateway


async def test_a_sheet_is_validated_as_a_batch(buying: Gateway, ann: Client) -> None:
    organization = str(uuid4())
    answer = await post(
        ann,
        SHEET,
        organizationId=organization,
        errorPolicy="REJECT_ALL",
        maxTotal="100.50",
        currency="EUR",
    )
    assert answer.status == 200, answer.body
    assert answer.headers["Cache-Control"] == "no-store"
    assert sent(buying) == pb.BatchInput(
        organization_id=organization,
        error_policy=pb.BATCH_ERROR_POLICY_REJECT_ALL,
        currency="EUR",
        max_total=money_pb2.Money(currency_code="EUR", units=100, nanos=500_000_000),
        items=[
            pb.BatchItemInput(
                plan_id=PLANS[0].id,
                quantity=1,
                traveler=pb.BatchTraveler(name="Jürgen Müller", email="j@x.example"),
            )
        ],
    )
    assert answer.body | {"rows": []} == {
        "encoding": "UTF-8",
        "delimiter": ";",
        "ignoredColumns": [],
        "acceptable": True,
        "rows": [],
        "problems": [],
        "total": "4",
        "currency": "EUR",
        "budgets": [],
        "orders": 0,
        "esims": 0,
        "invalidRows": 0,
        "estimatedSeconds": 9,
    }
    assert answer.body["rows"] == [
        {
            "line": 2,
            "position": 1,
            "item": {
                "planId": PLANS[0].id,
                "quantity": 1,
                "traveler": {"name": "Jürgen Müller", "email": "j@x.example"},
            },
            "planTitle": "France, 1 GB, 7 days",
            "unitPrice": "4",
            "totalPrice": None,
            "errors": [],
            "warnings": [],
        }
    ]


async def test_a_guessed_encoding_is_a_warning_with_the_first_such_cell(
    buying: Gateway, ann: Client
) -> None:
    sheet = "plan,name\nesim_1GB_7D_FR_V2,Ann\nesim_1GB_7D_FR_V2,Zoë\nesim_1GB_7D_FR_V2,Jürgen\n".encode(
        "cp1252"
    )
    answer = await post(ann, sheet)
    assert answer.body["encoding"] == "Windows-1252"
    assert [row["warnings"] for row in answer.body["rows"]] == [
        [],
        [
            {
                "field": None,
                "code": "ENCODING_GUESSED",
                "message": 'The sheet is not UTF-8 and was read as Windows-1252; check that "Zoë" is'
                " correct, or save the sheet as CSV in UTF-8",
            }
        ],
        [],
    ]
    declared = await post(ann, sheet, "text/csv; charset=windows-1252")
    assert not any(row["warnings"] for row in declared.body["rows"])


async def test_faults_are_reported_with_the_line_of_their_row(buying: Gateway, ann: Client) -> None:
    sheet = (
        "plan,quantity,name,email\n"
        "esim_1GB_7D_FR_V2,1,Ann,ann@x.example\n"
        "\n"
        "esim_unknown,1,Bob,bob@x.example\n"
        f'esim_1GB_7D_FR_V2,=1+1,"=HYPERLINK(""http://e"",""n"")",c@x.example\n'
        "esim_1GB_7D_FR_V2,2,Ann,ANN@x.example\n"
        f"{'x' * 300},1,,\n"
    )
    rows = (await post(ann, sheet)).body["rows"]
    found = {
        row["line"]: [
            *((one["field"], one["code"]) for one in row["errors"]),
            *(("?" + one["field"], one["code"]) for one in row["warnings"]),
        ]
        for row in rows
    }
    assert found == {
        2: [],
        4: [("plan", "PLAN_NOT_FOUND")],
        5: [("quantity", "INVALID"), ("?traveler.name", "FORMULA")],
        6: [("?traveler", "TRAVELER_REPEATED")],
        7: [("plan", "PLAN_NOT_FOUND")],
    }
    assert "line 2" in rows[3]["warnings"][0]["message"]
    # Rows with faults are no part of the total, and no client can buy them as they are.
    assert [item.plan_id for item in sent(buying).items] == [PLANS[0].id, "", "", PLANS[0].id, ""]
    assert [row["line"] for row in rows if row["item"]] == [2, 6]


async def test_a_plan_is_found_by_country_data_and_days(buying: Gateway, ann: Client) -> None:
    def listed(request: catalogue_pb2.ListPlansRequest) -> Any:
        if request.filter.country == "Atlantis":
            raise Failure(Kind.INVALID, "UNKNOWN_COUNTRY", "filter.country: is unknown")
        if not request.filter.single_country or request.filter.duration_days != 7:
            return catalogue_pb2.ListPlansResponse()
        assert not request.filter.unlimited
        found = [plan for plan in PLANS if plan.data_mb >= request.filter.min_data_mb]
        return catalogue_pb2.ListPlansResponse(plans=found)

    buying.catalogue.answers["ListPlans"] = listed
    sheet = "country,gb,days\nFR,3,7\nFR,1,7\nFR,3,30\nAtlantis,1,7\nFR,3 GB,7 days\n"
    rows = (await post(ann, sheet)).body["rows"]
    assert [row["item"] and row["item"]["planId"] for row in rows] == [
        PLANS[1].id,
        *[None] * 3,
        PLANS[1].id,
    ]
    errors = [(one["field"], one["code"]) for row in rows for one in row["errors"]]
    assert errors == [
        ("plan", "PLAN_AMBIGUOUS"),
        ("plan", "PLAN_NOT_FOUND"),
        ("country", "UNKNOWN_COUNTRY"),
    ]
    assert "esim_1GB_7D_FR_V2, esim_1GB_7D_FR_X" in rows[1]["errors"][0]["message"]
    # FR,3,7 is looked up once; where no plan has only this country, those with several are.
    assert buying.catalogue.calls["ListPlans"] == 5


@pytest.mark.parametrize(
    ("sheet", "content_type", "status", "reason"),
    [
        (b"name\n" + b"x" * 10 * 2**20, "text/csv", 400, "SHEET_TOO_LARGE"),
        (b"name\n" + b"x" * (2 * 2**20), "text/csv", 400, "SHEET_TOO_LARGE"),
        (b"PK\x03\x04", "application/vnd.ms-excel", 400, "SHEET_UNREADABLE"),
        ("имя,plan\nИван,x\nСергей,x\n".encode("cp1251"), "text/csv", 400, "SHEET_UNREADABLE"),
        (b"plan\nx\n", "text/csv; charset=koi8-r", 400, "SHEET_UNREADABLE"),
        (b"plan\n" + b"x\n" * 1_001, "text/csv", 400, "TOO_MANY_ROWS"),
        (b"", "text/csv", 400, "SHEET_EMPTY"),
        (b'plan\n"x\n', "text/csv", 400, "SHEET_MALFORMED"),
    ],
)
async def test_a_sheet_that_can_not_be_read_is_refused(
    buying: Gateway, ann: Client, sheet: bytes, content_type: str, status: int, reason: str
) -> None:
    answer = await post(ann, sheet, content_type)
    assert answer.status == status
    assert answer.error["extensions"]["reason"] == reason
    assert not buying.batches.requests
    assert (await post(ann, SHEET)).status == 200


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"errorPolicy": "MAYBE"}, "errorPolicy: must be one of REJECT_ALL, SKIP_FAILED, STOP_ON"),
        ({"maxTotal": "much"}, "maxTotal: must be an amount"),
        ({"maxTotal": "NaN"}, "maxTotal: must be an amount"),
        ({"maxTotal": "1e-30"}, "maxTotal: must be an amount"),
        ({"color": "red"}, "color: is unknown"),
        ({"groupId": "x" * 5_000}, "groupId: is too long"),
    ],
)
async def test_fields_of_the_form_are_checked(
    buying: Gateway, ann: Client, fields: dict[str, str], said: str
) -> None:
    answer = await post(ann, SHEET, **fields)
    assert answer.status == 400
    assert said in answer.error["message"]
    assert not buying.batches.requests


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b"plan\nx\n", "text/csv", 415),
        (b"plan\nx\n", "multipart/form-data", 400),
        (b"plan\nx\n", "multipart/form-data; boundary=abc", 400),
        (b"--abc\r\n", "multipart/form-data; boundary=abc", 400),
        (
            b'--abc\r\nContent-Disposition: form-data; name="sheet"\r\n\r\nplan\r\nx',
            "multipart/form-data; boundary=abc",
            400,
        ),
        (b"--abc--\r\n", "multipart/form-data; boundary=abc", 400),
        (b"--abc\r\nno colon\r\n\r\nx\r\n--abc--\r\n", "multipart/form-data; boundary=abc", 400),
        (
            b"--abc\r\nA: " + 9_000 * b"a" + b"\r\n\r\nx\r\n--abc--\r\n",
            "multipart/form-data; boundary=abc",
            400,
        ),
        (
            b'--abc\r\nContent-Disposition: form-data; name="sheet"\r\n'
            b"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x--\r\n--abc--\r\n",
            "multipart/form-data; boundary=abc",
            400,
        ),
    ],
)
async def test_a_malformed_form_is_refused(
    buying: Gateway, ann: Client, body: bytes, content_type: str, status: int
) -> None:
    headers = {"Authorization": f"Bearer {ann.token}", "Content-Type": content_type}
    url = f"{ann.url}/batches/csv"
    async with ann.http.post(url, data=body, headers=headers) as answer:
        assert answer.status == status, await answer.text()
        assert (await answer.json())["errors"][0]["extensions"]["code"]
    assert not buying.batches.requests


async def test_only_signed_in_callers_may_send_sheets(buying: Gateway, client: Client) -> None:
    assert (await post(client, SHEET)).status == 401
    refused = await post(client.signed_in("not-a-token"), SHEET)
    assert (refused.status, refused.code) == (401, "UNAUTHENTICATED")
    assert refused.headers["WWW-Authenticate"]
    assert not buying.batches.requests


async def test_failures_of_the_orders_service_are_passed_on(buying: Gateway, ann: Client) -> None:
    for failure, status in (
        (Failure(Kind.NOT_FOUND, "ORGANIZATION_NOT_FOUND", "No such organization"), 404),
        (Failure(Kind.FORBIDDEN, "MEMBER_ROLE_INSUFFICIENT", "Not allowed"), 403),
        (Failure(Kind.UNAVAILABLE, "DATABASE_UNAVAILABLE", "Try again", retry_after=2), 503),
    ):
        buying.batches.answers["ValidateBatch"] = failure
        answer = await post(ann, SHEET)
        assert (answer.status, answer.error["extensions"]["reason"]) == (status, failure.reason)


async def test_many_sheets_at_once(buying: Gateway, ann: Client) -> None:
    sheet = "plan,name\n" + "".join(f"esim_1GB_7D_FR_V2,Traveler {n}\n" for n in range(1_000))
    answers = await asyncio.gather(*(post(ann, sheet) for _ in range(8)))
    assert [len(answer.body["rows"]) for answer in answers] == [1_000] * 8


async def test_pages_of_other_origins_may_ask_first(client: Client) -> None:
    headers = {
        "Origin": "https://shop.example",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization",
    }
    for path in ("/batches/csv", f"/batches/{uuid4()}/esims.zip"):
        async with client.http.options(f"{client.url}{path}", headers=headers) as answer:
            assert answer.status == 204
            assert answer.headers["Access-Control-Allow-Origin"] == "https://shop.example"
