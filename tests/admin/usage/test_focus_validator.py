"""The FinOps Foundation's validator takes exports as FOCUS 1.2: all of its rules that apply to one who publishes unit
prices and measures usage.  It knows no 1.4 yet; test_export.py holds those columns to the published model."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.admin.conftest import Admin
from tests.admin.usage.test_explain import PRICES, model, write
from tests.admin.usage.test_export import export, used

ROOT = Path(__file__).parents[3]
PYTHON = ROOT / ".venv/focus-validator/bin/python"
NONE = "no FOCUS validator: .ci/focus-validator brings it"
APPLY = (
    *("ACCOUNT_NAMING_SUPPORTED", "SUB_ACCOUNT_SUPPORTED", "UNIT_PRICING_SUPPORTED", "PUBLIC_PRICE_LIST_SUPPORTED"),
    *("NEGOTIATED_PRICING_SUPPORTED", "USAGE_MEASUREMENT_SUPPORTED", "MULTIPLE_PRICING_CATEGORIES_SUPPORTED"),
    *("BILLING_BASED_ON_PROVISIONED_RESOURCES_SUPPORTED", "RESOURCE_TYPE_ASSIGNMENT_SUPPORTED"),
    *("MULTIPLE_SUB_ACCOUNT_TYPES_SUPPORTED", "MULTIPLE_BILLING_ACCOUNT_TYPES_SUPPORTED"),
    "PRICING_BILLING_CURRENCY_DIFFERENCES_SUPPORTED",
)
# Of two rules, null if there is no invoice and not null if there is one, it fails one for any file: it cannot know.
ALWAYS = {"InvoiceId-C-004-C"}
PASSED = 280  # fewer, and rules that apply were skipped
FAILED = re.compile(r"^❌ (\S+): FAIL (.*)$", re.MULTILINE)

pytestmark = pytest.mark.skipif(not PYTHON.exists(), reason=NONE)


def validated(path: Path) -> str:
    """Its report; it exits with 0 whatever it finds, and reads files beside its packages."""
    command: list[str | Path] = [
        PYTHON,
        "-m",
        "focus_validator.main",
        "--data-file",
        path,
        "--validate-version",
        "1.2.0.1",
    ]
    command += ["--block-download", "--show-violations", "--applicability-criteria", ",".join(APPLY)]
    packages = next(PYTHON.parents[1].glob("lib/*/site-packages"))
    done = subprocess.run(command, cwd=packages, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def test_the_foundation_s_validator_finds_nothing_wrong(admin: Admin, tmp_path: Path) -> None:
    model(admin, "billed", **PRICES)
    tenant = admin.tenant("Physics")["id"]
    key = admin.key(tenant)["key"]["id"]
    write(
        admin,
        used("2026-03-01T10:45", model="billed", input_tokens=900, cached_tokens=300, tenant_id=tenant, key_id=key),
        used("2026-03-09T23:59", model="billed", input_tokens=1001, output_tokens=7, user_id="ann"),
        used("2026-03-10", model="billed", input_tokens=5, output_tokens=7, service_tier="batch"),
        used("2026-03-11", model="=free", input_tokens=5, output_tokens=7, key_id=""),
    )
    path = tmp_path / "usage.csv"
    (page,) = export(admin, schema="focus-1.2")
    path.write_bytes(page.content)
    report = validated(path)
    assert {rule: why for rule, why in FAILED.findall(report) if rule not in ALWAYS} == {}
    passed = re.search(r"Pass: (\d+)", report)
    assert passed, report[-2000:]
    assert int(passed[1]) > PASSED


def test_the_validator_finds_what_is_wrong(tmp_path: Path) -> None:
    path = tmp_path / "usage.csv"
    path.write_text("BilledCost,BillingCurrency\n0.5,Euros\n")
    assert {"BillingCurrency-C-003-M", "CostAndUsage-D-028-M"} <= dict(FAILED.findall(validated(path))).keys()
