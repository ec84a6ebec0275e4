"""The manifest of trusted documents: generating it from a client's files, and reading it."""

import json
from pathlib import Path

import pytest

from gateway.documents import trusted
from gateway.documents.persisted import digest
from gateway.http import trust_documents
from gateway.schema.assembly import build
from gateway.settings import Settings
from kit.values.env import Env

PREPARE = build(12).prepare
PLANS = "query Plans { featuredPlans { ...Plan } }"
PLAN = "fragment Plan on DataPlan { name countries { iso } }"


@pytest.fixture
def client(tmp_path: Path) -> Path:
    folder = tmp_path / "client" / "pages"
    folder.mkdir(parents=True)
    (folder / "plans.graphql").write_text(
        PLANS + " mutation M { cancelOrder(orderId: 1) { code } }"
    )
    (folder / "plan.gql").write_text(PLAN)
    (folder / "README").write_text("{ no GraphQL")
    return tmp_path / "client"


def write(*arguments: str | Path) -> int:
    return trust_documents.main([str(argument) for argument in arguments])


def test_each_operation_is_a_document_with_the_fragments_that_it_needs(
    client: Path, tmp_path: Path
) -> None:
    file = tmp_path / "manifest.json"
    assert write(client, "--output", file) == 0
    by_id = json.loads(file.read_text())
    assert all(digest(text) == id_ for id_, text in by_id.items())
    assert sorted(" ".join(text.split()) for text in by_id.values()) == [
        "mutation M { cancelOrder(orderId: 1) { code } }",
        f"{PLANS} {PLAN}",
    ]
    documents = trusted.read(file, only=True)
    assert documents.allow(PREPARE(f"{PLAN}\n{PLANS}", None))
    assert not documents.allow(PREPARE("{ featuredPlans { name } }", None))


def test_typenames_are_added_as_apollo_client_does(client: Path, tmp_path: Path) -> None:
    file = tmp_path / "manifest.json"
    write(client, "--add-typename", "--output", file)
    sent = (
        "query Plans { featuredPlans { ...Plan __typename } }"
        " fragment Plan on DataPlan { name countries { iso __typename } __typename }"
    )
    assert trusted.read(file, only=True).allow(PREPARE(sent, None))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("query Plans { __typename }", "defines Plans again"),
        ("{ __typename }", "without a name"),
        ("query X { nothing }", "X does not match the schema"),
        ("query X { ...Missing }", "Unknown fragment"),
        ("query X {", "is not GraphQL"),
        ("type X { y: Int }", "neither an operation nor a fragment"),
        ("query X { " + "a { " * 12 + "b" + " }" * 13, "13 fields deep"),
    ],
)
def test_unsuitable_documents_are_reported(
    client: Path, tmp_path: Path, text: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (client / "x.graphql").write_text(text)
    assert write(client, "--output", tmp_path / "manifest.json") == 1
    assert message in capsys.readouterr().err
    assert not (tmp_path / "manifest.json").exists()


def test_a_path_without_operations_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert write(tmp_path, "--output", tmp_path / "manifest.json") == 1
    assert write(tmp_path / "none", "--output", tmp_path / "manifest.json") == 1
    errors = capsys.readouterr().err
    assert "no operations found" in errors
    assert "does not exist" in errors


def test_the_manifest_format_of_apollo_is_accepted(tmp_path: Path) -> None:
    file = tmp_path / "manifest.json"
    operation = {"id": "a1", "name": "Plans", "type": "query", "body": f"{PLANS} {PLAN}"}
    file.write_text(
        json.dumps(
            {"format": "apollo-persisted-query-manifest", "version": 1, "operations": [operation]}
        )
    )
    assert trusted.read(file, only=False).named("a1") == operation["body"]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_manifest_may_have_a_byte_order_mark(tmp_path: Path, encoding: str) -> None:
    file = tmp_path / "manifest.json"
    file.write_text(json.dumps({"a1": PLANS + PLAN}), encoding)
    assert trusted.read(file, only=False).named("a1") == PLANS + PLAN


NESTED = "[" * 100_000


@pytest.mark.parametrize(
    "text",
    ["", "[]", '{"a": 1}', '{"a": ""}', '{"a": "{"}', '{"operations": [{"id": "a"}]}', NESTED],
)
def test_starting_with_an_invalid_manifest_is_refused_with_a_message(
    tmp_path: Path, text: str
) -> None:
    file = tmp_path / "manifest.json"
    file.write_text(text)
    env = Env({"TRUSTED_DOCUMENTS": "only", "TRUSTED_DOCUMENTS_FILE": str(file)})
    Settings.read(env)
    assert any(p.startswith(f"TRUSTED_DOCUMENTS_FILE: {file}") for p in env.problems)


def test_starting_without_a_manifest_is_refused_with_a_message(tmp_path: Path) -> None:
    env = Env({"TRUSTED_DOCUMENTS": "allow"})
    Settings.read(env)
    assert "TRUSTED_DOCUMENTS=allow requires a manifest: set TRUSTED_DOCUMENTS_FILE" in env.problems
    env = Env({"TRUSTED_DOCUMENTS": "only", "TRUSTED_DOCUMENTS_FILE": str(tmp_path / "none")})
    Settings.read(env)
    assert any("can't be read: No such file" in problem for problem in env.problems)
