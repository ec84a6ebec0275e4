"""The alerts are valid, fire when they should, use existing metrics, and have a runbook."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from cli.config.processes import PROCESSES
from tests.architecture.metric_names import DOCUMENTED, ROOT, metrics

OBSERVABILITY = ROOT / "deploy" / "observability"
RULES = sorted((OBSERVABILITY / "rules").glob("*.yml"))
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)

promtool = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="needs promtool (Debian: apt-get install prometheus)"
)


def rules() -> list[dict[str, Any]]:
    files = [yaml.safe_load(path.read_text()) for path in RULES]
    return [rule for file in files for group in file["groups"] for rule in group["rules"]]


def alerts() -> list[dict[str, Any]]:
    return [rule for rule in rules() if "alert" in rule]


def anchors(page: Path) -> set[str]:
    """Return the anchors that GitHub makes of the headings."""
    found = HEADING.findall(page.read_text())
    return {re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-") for text in found}


def run(*command: str) -> None:
    done = subprocess.run(command, cwd=OBSERVABILITY, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@promtool
def test_prometheus_takes_configuration_and_rules() -> None:
    run("promtool", "check", "config", "prometheus.yml")


def test_the_documented_configuration_for_kubernetes_has_the_labels_of_the_alerts() -> None:
    page = (ROOT / "docs" / "kubernetes.md").read_text()
    [block] = re.findall(r"^```yaml\n(scrape_configs:.*?)^```", page, re.MULTILINE | re.DOTALL)
    [scraped] = yaml.safe_load(block)["scrape_configs"]
    assert scraped["job_name"] == "esimgo"
    assert [rule.get("target_label") for rule in scraped["relabel_configs"]] == [None, "service"]


def test_every_replica_of_every_process_is_scraped_and_missed_when_all_are_gone() -> None:
    """A name with several addresses as one target would be another replica at each scrape."""
    [scraped] = yaml.safe_load((OBSERVABILITY / "prometheus.yml").read_text())["scrape_configs"]
    ports = {process.name: process.metrics_port for process in PROCESSES}
    found = {name: one["port"] for one in scraped["dns_sd_configs"] for name in one["names"]}
    assert found == ports
    [down] = [alert["expr"] for alert in alerts() if alert["alert"] == "ProcessDown"]
    assert set(re.findall(r'absent\(up\{job="esimgo",service="(\w+)"\}\)', down)) == set(ports)


@pytest.mark.slow
@promtool
def test_alerts_fire_when_they_should() -> None:
    run("promtool", "test", "rules", "rules_test.yml")


@pytest.mark.parametrize("alert", alerts(), ids=lambda alert: alert["alert"])
def test_an_alert_links_to_its_runbook(alert: dict[str, Any]) -> None:
    assert alert["labels"]["severity"] in ("page", "ticket")
    page, _, anchor = alert["annotations"]["runbook_url"].partition("#")
    assert anchor in anchors(ROOT / page)


def test_every_runbook_belongs_to_an_existing_alert() -> None:
    linked = {alert["annotations"]["runbook_url"].partition("#")[2] for alert in alerts()}
    page = (ROOT / "docs" / "runbooks" / "alerts.md").read_text()
    sections = {text.lower() for text in re.findall(r"^## (.+)$", page, re.MULTILINE)}
    assert sections == linked


@pytest.mark.parametrize("page", ["docs/runbooks/alerts.md", "docs/slo.md"])
def test_every_link_of_a_runbook_resolves(page: str) -> None:
    path = ROOT / page
    for target in re.findall(r"\]\(([^)]+)\)", path.read_text()):
        file, _, anchor = target.partition("#")
        linked = (path.parent / file).resolve() if file else path
        assert linked.exists(), target
        assert not anchor or anchor in anchors(linked), target


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule.get("alert") or rule["record"])
def test_every_metric_in_a_rule_exists(rule: dict[str, Any]) -> None:
    expression = re.sub(r"esimgo:[\w:]+", "", rule["expr"])
    recorded = {other["record"] for other in rules() if "record" in other}
    assert set(re.findall(r"esimgo:[\w:]+", rule["expr"])) <= recorded
    assert metrics(expression) <= DOCUMENTED
