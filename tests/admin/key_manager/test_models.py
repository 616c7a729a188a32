"""/models and /v1/models: the registry in the shapes of the key manager."""

import httpx

from tests.admin.conftest import TOKEN, Admin
from tests.admin.key_manager.conftest import ADMIN, make_key, make_team, refused
from tests.web import WEB


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
            said = "an admin token is needed: Authorization: ADMIN <token>"
            if headers.get("authorization") == "ADMIN wrong":
                said = "this admin token is not known, or not any more"
            assert answer.json() == {"error": said, "request_id": answer.headers["x-request-id"]}


def test_what_is_not_there_is_said_by_the_one_whose_path_it_is(admin: Admin) -> None:
    ours = WEB.get(f"{admin.url}/models/nothing", headers=ADMIN)
    assert (ours.status_code, ours.json()["error"]) == (404, "there is nothing at /models/nothing")
    for method in ("POST", "OPTIONS", "HEAD", "DELETE"):
        answer = WEB.request(method, f"{admin.url}/models", headers=ADMIN)
        assert (answer.status_code, answer.headers["allow"]) == (405, "GET")
    nobodys = WEB.get(f"{admin.url}/modelling", headers={"authorization": f"Bearer {TOKEN}"})
    assert (nobodys.status_code, nobodys.headers["content-type"]) == (404, "application/problem+json")


def test_models_of_a_user_are_those_that_some_key_may_ask_for(manager: httpx.Client, admin: Admin) -> None:
    for name in ("a", "b", "c"):
        admin.post("/models", name=name).raise_for_status()
    make_team(manager, "picky")

    def of_ann(path: str = "/v1/models", field: str = "id") -> set[str]:
        answer = manager.get(path, params={"user_id": "ann"}).json()
        return {each[field] for each in answer["models" if path == "/models" else "data"]}

    assert refused(manager.get("/models", params={"user_id": "ann"}), 404) == "there is no user 'ann'"
    make_key(manager, "picky", "ann", models_allowed=["a", "unregistered"])
    assert of_ann() == of_ann("/models", "name") == {"a"}
    second = make_key(manager, "picky", "ann", models_allowed=["b"])
    assert of_ann() == {"a", "b"}
    manager.request("DELETE", "/delete_key", json={"key": second["api_key"]})
    assert of_ann() == {"a"}
    make_key(manager, "picky", "ann")
    assert of_ann() >= {"a", "b", "c"}
    admin.http.patch("/tenants/picky", json={"status": "suspended"})
    assert of_ann() == set()
