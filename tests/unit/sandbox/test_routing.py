import re

import pytest

from sandbox.api.routing import find
from sandbox.contract.routes import OPERATIONS

PATHS = sorted({operation.path for operation in OPERATIONS})


@pytest.mark.parametrize("template", PATHS)
def test_a_path_allows_its_own_methods_and_no_others(template: str) -> None:
    path = re.sub(r"\{\w+\}", "8943108165000000016", template)
    own = {operation.method: operation for operation in OPERATIONS if operation.path == template}
    assert find("OPTIONS", path).allowed == tuple(sorted(own))
    assert find("OPTIONS", path).operation is None
    for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
        found = find(method, path)
        assert found.operation is own.get(method)
        assert found.allowed == tuple(sorted(own))


def test_an_exact_path_takes_precedence_over_a_parameter() -> None:
    assert find("OPTIONS", "/esims/apply").allowed == ("POST",)
    assert find("GET", "/esims/apply").operation is None
    found = find("GET", "/esims/8943108165000000016")
    assert found.operation is not None
    assert found.parameters == {"iccid": "8943108165000000016"}


@pytest.mark.parametrize("path", ["/nowhere", "/esims/", "/esims/1/2/3/4/5/6/7", ""])
def test_an_unknown_path_allows_nothing(path: str) -> None:
    assert find("GET", path).allowed == ()
