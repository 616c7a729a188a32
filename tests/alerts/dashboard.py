"""`python -m tests.alerts.dashboard`: writes grafana/dashboard.json, which a test holds to this and to the metrics.

A row of panels for each question that an operator asks.  What a panel asks of Prometheus is PromQL with
`[$__rate_interval]`, which Grafana fills in, and `$instance`, a choice at the top.
"""

from itertools import count
from pathlib import Path
from typing import NamedTuple

from grafana_foundation_sdk.builders.common import VizTooltipOptions
from grafana_foundation_sdk.builders.dashboard import Dashboard, DatasourceVariable, QueryVariable, Row
from grafana_foundation_sdk.builders.prometheus import Dataquery
from grafana_foundation_sdk.builders.timeseries import Panel as Timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.common import TooltipDisplayMode
from grafana_foundation_sdk.models.dashboard import DataSourceRef

PATH = Path(__file__).parents[2] / "grafana" / "dashboard.json"
HERE = 'instance=~"$instance"'
RATE = "[$__rate_interval]"
SOURCE = DataSourceRef(type_val="prometheus", uid="$source")
PANEL_WIDTH, PANEL_HEIGHT = 8, 8  # of a dashboard's 24 columns


WITH_TRACES = ("tollkeeper_accesslog_request_seconds", "tollkeeper_accesslog_first_byte_seconds")


class Shown(NamedTuple):
    """A panel: `queries` by legend.  `unit` is Grafana's name of it."""

    title: str
    about: str
    unit: str
    queries: dict[str, str]


def rate_by(label: str, metric: str) -> dict[str, str]:
    return {f"{{{{{label}}}}}": f"sum by ({label}) (rate({metric}{{{HERE}}}{RATE}))"}


def quantiles(metric: str, *quantiles: float) -> dict[str, str]:
    return {
        f"p{100 * each:g}": f"histogram_quantile({each}, sum by (le) (rate({metric}_bucket{{{HERE}}}{RATE})))"
        for each in quantiles
    }


def value(metric: str, by: str = "instance", how: str = "max") -> dict[str, str]:
    legend = " ".join(f"{{{{{each.strip()}}}}}" for each in by.split(","))
    return {legend: f"{how} by ({by}) ({metric}{{{HERE}}})"}


ROWS = {
    "What users feel": [
        Shown(
            "Decisions",
            "Requests a second by what became of them; `unavailable` is our fault.",
            "reqps",
            rate_by("outcome", "tollkeeper_ratelimit_decisions_total"),
        ),
        Shown(
            "Keys",
            "Checks of keys a second, by outcome.",
            "reqps",
            rate_by("outcome", "tollkeeper_authz_decisions_total"),
        ),
        Shown(
            "Time to reserve",
            "One round trip to Redis, for a batch of requests.",
            "s",
            quantiles("tollkeeper_ratelimit_reserve_seconds", 0.5, 0.95, 0.99),
        ),
        Shown(
            "Time of requests",
            "From begin to end, the model's work included; dots are traces.",
            "s",
            quantiles("tollkeeper_accesslog_request_seconds", 0.5, 0.95),
        ),
        Shown(
            "Time to the first byte",
            "Of the model server's answer; dots are traces.",
            "s",
            quantiles("tollkeeper_accesslog_first_byte_seconds", 0.5, 0.95),
        ),
    ],
    "Capacity": [
        Shown(
            "In flight",
            "Requests that run, and most that may; no line: not bounded.",
            "none",
            {
                **value("tollkeeper_ratelimit_leases_in_flight", how="sum"),
                "room of {{instance}}": f"sum by (instance) (tollkeeper_ratelimit_room{{{HERE}}}) < +Inf",
                "bound on all": f'max(tollkeeper_ratelimit_capacity{{bound="all:in_flight", {HERE}}}) < +Inf',
            },
        ),
        Shown(
            "Waiting",
            "Requests that wait for room, by fairshare group.",
            "none",
            value("tollkeeper_ratelimit_queued", "group", "sum"),
        ),
        Shown(
            "Time waited",
            "Until what was queued ran, 95 of 100.",
            "s",
            {
                "{{group}}": "histogram_quantile(0.95, sum by (group, le)"
                f" (rate(tollkeeper_ratelimit_wait_seconds_bucket{{{HERE}}}{RATE})))"
            },
        ),
        Shown(
            "Tokens served",
            "Tokens of service a second, by fairshare group.",
            "none",
            rate_by("group", "tollkeeper_ratelimit_served_tokens_total"),
        ),
        Shown(
            "Fairness gap",
            "What the group furthest behind lacks of its part.",
            "percentunit",
            {"gap": f"max(tollkeeper_ratelimit_fairness_gap{{{HERE}}})"},
        ),
        Shown(
            "Bodies",
            "Of large request bodies, what Envoy may hold.",
            "bytes",
            value("tollkeeper_ratelimit_upload_bytes", how="sum"),
        ),
    ],
    "Accounting": [
        Shown(
            "Lag of the ledger",
            "Age of the oldest row that waits for Postgres.",
            "s",
            value("tollkeeper_accesslog_ledger_lag_seconds"),
        ),
        Shown(
            "Spool",
            "How full the room for rows on disk is.",
            "percentunit",
            {
                "{{instance}}": f"max by (instance) (tollkeeper_accesslog_spool_bytes{{{HERE}}}"
                f" / tollkeeper_accesslog_spool_max_bytes{{{HERE}}})"
            },
        ),
        Shown(
            "Settlements",
            "Requests accounted for a second, by where their usage is from.",
            "reqps",
            rate_by("usage_source", "tollkeeper_accesslog_settlements_total"),
        ),
        Shown(
            "Silence of the log",
            "Since the last log entry, while requests begin.",
            "s",
            value("tollkeeper_accesslog_silent_seconds"),
        ),
        Shown(
            "Orphans",
            "Leases charged as reserved, a second.",
            "reqps",
            rate_by("instance", "tollkeeper_accesslog_orphaned_leases_total"),
        ),
        Shown(
            "Drift",
            "Budgets off from the ledger at two audits.",
            "none",
            value("tollkeeper_budgets_drifting", "drift"),
        ),
    ],
    "Stores and processes": [
        Shown("Stores", "1 while a store answers.", "none", value("tollkeeper_store_up", "instance, store", "min")),
        Shown(
            "Errors of stores",
            "Questions without an answer, a second.",
            "reqps",
            rate_by("store", "tollkeeper_store_errors_total"),
        ),
        Shown(
            "Risks", "1 while Redis may lose budgets, by how.", "none", value("tollkeeper_budgets_store_risk", "risk")
        ),
        Shown(
            "Memory",
            "Of each process.",
            "bytes",
            value("tollkeeper_process_resident_bytes", "instance, process"),
        ),
        Shown(
            "Restarts",
            "Processes that ended unasked, in a quarter of an hour.",
            "none",
            {
                "{{instance}} {{group}}": "sum by (instance, group)"
                f" (increase(tollkeeper_worker_restarts_total{{{HERE}}}[15m]))"
            },
        ),
        Shown(
            "Versions",
            "Processes by the version that they run.",
            "none",
            value("tollkeeper_build_info", "version", "count"),
        ),
    ],
    "Management API": [
        Shown(
            "Answers",
            "A second, by class of status.",
            "reqps",
            rate_by("status", "tollkeeper_admin_answers_total"),
        ),
        Shown(
            "Wrong tokens",
            "Requests a second with a wrong admin token.",
            "reqps",
            rate_by("instance", "tollkeeper_admin_wrong_tokens_total"),
        ),
        Shown(
            "Late changes",
            "Changes a second that Redis could not be told of at once.",
            "reqps",
            rate_by("instance", "tollkeeper_admin_pending_pushes_total"),
        ),
        Shown(
            "Events sent to webhooks",
            "Attempts a second: delivered, to be tried again, or failed for good.",
            "reqps",
            rate_by("outcome", "tollkeeper_admin_webhook_attempts_total"),
        ),
        Shown(
            "Webhooks",
            "Events that wait or were dropped by a full queue, and webhooks disabled since they failed.",
            "short",
            value("tollkeeper_admin_webhooks", "what"),
        ),
    ],
}


def panel_of(number: int, shown: Shown) -> Timeseries:
    panel = Timeseries().id(number).title(shown.title).description(shown.about).unit(shown.unit).datasource(SOURCE)
    panel.tooltip(VizTooltipOptions().mode(TooltipDisplayMode.MULTI))
    for query, (legend, expression) in enumerate(shown.queries.items()):
        target = Dataquery().expr(expression).legend_format(legend).ref_id(chr(ord("A") + query))
        panel.with_target(target.exemplar(True) if any(name in expression for name in WITH_TRACES) else target)
    return panel.span(PANEL_WIDTH).height(PANEL_HEIGHT).min(0)


def made() -> str:
    """JSON that Grafana imports."""
    dashboard = Dashboard("Tollkeeper").uid("tollkeeper").tags(["tollkeeper"]).refresh("10s").time("now-1h", "now")
    dashboard.with_variable(DatasourceVariable("source").type("prometheus"))
    instances = QueryVariable("instance").query("label_values(tollkeeper_build_info, instance)").datasource(SOURCE)
    dashboard.with_variable(instances.multi(True).include_all(True).all_value(".*"))
    numbers = count(1)
    for title, panels in ROWS.items():
        dashboard.with_row(Row(title).id(next(numbers)))
        for shown in panels:
            dashboard.with_panel(panel_of(next(numbers), shown))
    return JSONEncoder(sort_keys=True, indent=1).encode(dashboard.build()) + "\n"


if __name__ == "__main__":
    PATH.write_text(made())
