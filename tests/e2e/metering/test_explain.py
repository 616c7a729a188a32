"""A request that a client knows by its `x-request-id` is explained, through every real part."""

from typing import Any

from tests.e2e.deployment import MODEL, Credential, Deployment, wait_for


def explained(stack: Deployment, request_id: str) -> dict[str, Any]:
    def found() -> list[dict[str, Any]] | None:
        answer = stack.admin.get(f"/requests/{request_id}")
        requests: list[dict[str, Any]] = answer.json().get("requests", [])
        return requests or None

    (request,) = wait_for(found, "the row")
    return request


def priced_chat(stack: Deployment, who: Credential) -> tuple[dict[str, int], dict[str, Any]] | None:
    answer = stack.chat(who)
    found = explained(stack, answer.headers["x-request-id"])
    return (answer.json()["usage"], found) if found["items"] else None


def test_a_request_and_a_refusal_are_explained_by_the_id_that_the_client_was_told(stack: Deployment) -> None:
    prices = {"input_price": "3", "output_price": "15", "request_price": "0.01"}
    made = stack.admin.post("/models", json={"name": MODEL, **prices})
    assert made.status_code == 201, made.text
    try:
        who = stack.tenant()
        usage, found = wait_for(lambda: priced_chat(stack, who), "a sidecar that knows the prices")
        assert (found["tenant_id"], found["recomputed"], found["usage_source"]) == (who.tenant_id, True, "reported")
        assert {item["kind"]: item["quantity"] for item in found["items"]} == {
            "input": usage["prompt_tokens"],
            "output": usage["completion_tokens"],
            "request": 1,
        }
        limit = {"scope": "tenant", "tenant_id": who.tenant_id, "unit": "cost", "calendar": "day", "name": "spend"}
        assert stack.admin.post("/limits", json={**limit, "amount": "0.005"}).status_code == 201
        refused = wait_for(lambda: answer if (answer := stack.chat(who)).status_code == 429 else None, "a refusal")
        found = explained(stack, refused.headers["x-request-id"])
        assert (found["decision"], found["cost"]) == ("refused with 429 by the limit spend", "0")
        unknown = stack.chat(who, model="nobody-s")
        found = explained(stack, unknown.headers["x-request-id"])
        assert found["decision"].startswith("refused with 403: the model is not registered, so it has no price, and")
    finally:
        stack.admin.delete(f"/models/{made.json()['id']}")
