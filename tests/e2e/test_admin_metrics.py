"""The metrics of the management API: at an address of their own, for a scraper without a token."""

import json
import re

from tests.e2e.deployment import Deployment


def test_a_scraper_needs_no_token_and_sees_no_api(stack: Deployment) -> None:
    stack.admin.get("/tenants").raise_for_status()
    shown = stack.admin_metrics()
    (answers,) = re.findall(r'^tollkeeper_admin_answers_total\{status="2xx"\} (\S+)$', shown, re.M)
    assert float(answers) >= 1
    for store in ("redis", "postgres"):
        assert f'tollkeeper_store_up{{store="{store}"}} 1.0' in shown
        assert f'tollkeeper_store_errors_total{{store="{store}"}} 0.0' in shown
    assert "tollkeeper_process_resident_bytes " in shown
    ready = json.loads(stack.admin_metrics("readyz"))
    assert ready == {"status": "ready", "parts": {"serving": True, "credentials": True}, "warnings": []}
