"""/models and /v1/models: the registry in the shapes of the key manager."""

from tests.admin.conftest import TOKEN, Admin
from tests.web import WEB

ADMIN = {"authorization": f"ADMIN {TOKEN}"}


def test_registered_models_are_listed_in_both_shapes(admin: Admin) -> None:
    assert WEB.get(f"{admin.url}/models", headers=ADMIN).json() == {"models": []}
    admin.post("/models", name="vllm-simulator", endpoint="http://simulator.test").raise_for_status()
    admin.post("/models", name="qwen3-0-6b-instruct", enabled=False).raise_for_status()
    assert WEB.get(f"{admin.url}/models", headers=ADMIN).json() == {
        "models": [
            {"name": "qwen3-0-6b-instruct", "namespace": "llm", "url": "", "ready": False},
            {"name": "vllm-simulator", "namespace": "llm", "url": "http://simulator.test", "ready": True},
        ]
    }
    answer = WEB.get(f"{admin.url}/v1/models", headers=ADMIN).json()
    created = answer["data"][0].pop("created")
    assert type(created) is int
    assert answer == {"data": [{"id": "vllm-simulator", "object": "model", "owned_by": "llm"}], "object": "list"}


def test_the_token_goes_by_its_documented_scheme(admin: Admin) -> None:
    for headers, status in (
        (ADMIN, 200),
        ({"authorization": f"admin  {TOKEN}"}, 200),
        ({"authorization": f"Bearer {TOKEN}"}, 401),
        ({"authorization": "ADMIN wrong"}, 401),
        ({"x-master-key": TOKEN}, 401),
        ({}, 401),
    ):
        answer = WEB.get(f"{admin.url}/models", headers=headers)
        assert answer.status_code == status, headers
        if status == 401:
            assert answer.headers["www-authenticate"] == 'ADMIN realm="tollkeeper"'
            assert answer.json() == {
                "error": "an admin token is needed: Authorization: ADMIN <token>",
                "request_id": answer.headers["x-request-id"],
            }


def test_what_is_not_there_is_said_by_the_one_whose_path_it_is(admin: Admin) -> None:
    ours = WEB.get(f"{admin.url}/models/nothing", headers=ADMIN)
    assert (ours.status_code, ours.json()["error"]) == (404, "there is nothing at /models/nothing")
    for method in ("POST", "OPTIONS", "HEAD", "DELETE"):
        answer = WEB.request(method, f"{admin.url}/models", headers=ADMIN)
        assert (answer.status_code, answer.headers["allow"]) == (405, "GET")
    nobodys = WEB.get(f"{admin.url}/modelling", headers={"authorization": f"Bearer {TOKEN}"})
    assert (nobodys.status_code, nobodys.headers["content-type"]) == (404, "application/problem+json")
