"""Endpoints and aliases on the console."""

from tests.admin.conftest import Admin
from tests.console.conftest import Visitor, text_of


def test_a_model_is_led_to_endpoints_and_an_alias_to_models(owner: Visitor, admin: Admin) -> None:
    lines = "http://10.0.0.1:8000 weight=3\nhttps://api.example.com priority=1 credential=env:A"
    fields = {"name": "led", "endpoints": lines, "credential": "file:own", "enabled": "true"}
    assert owner.send("/console/models/new", **fields).status_code == 303
    assert owner.send("/console/models/new", name="fast", targets="led weight=9", enabled="true").status_code == 303
    alias, model = admin.http.get("/models").json()["models"]
    assert [(each["url"], each["weight"], each["credential"]) for each in model["endpoints"]] == [
        ("http://10.0.0.1:8000", 3, None),
        ("https://api.example.com", 1, "env:A"),
    ]
    assert alias["targets"] == [{"model": "led", "weight": 9}]
    page = f"/console/models/{model['id']}"
    shown = owner.get(page)
    assert all(line in shown.text for line in lines.splitlines())
    assert "not known" in text_of(shown)  # no sidecar has said how they are
    for wrong, says in (("http://10.0.0.1:8000 weight", "must be like weight=3"), ("http://169.254.1.1", "link-local")):
        answer = owner.send(page, **{**fields, "endpoints": wrong})
        assert (answer.status_code, says in text_of(answer)) == (422, True)
    assert admin.http.get(f"/models/{model['id']}").json()["live"] == {
        "in_flight": 0,
        "tokens_per_second": 0.0,
        "endpoints": [{"url": each["url"], "healthy": None} for each in model["endpoints"]],
    }
