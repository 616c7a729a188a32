"""Errors of the stub model in the shapes of OpenAI and Anthropic, and the checks of request bodies that raise them."""

import json
from typing import Any


class Problem(Exception):
    """A request that is refused with `status`."""

    def __init__(self, status: int, message: str, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.param = param
        self.code = code


ANTHROPIC_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    529: "overloaded_error",
}


def body_of(problem: Problem, path: str) -> dict[str, Any]:
    if path.startswith("/v1/messages"):
        kind = ANTHROPIC_TYPES.get(problem.status, "api_error")
        return {"type": "error", "error": {"type": kind, "message": problem.message}}
    kind = "invalid_request_error" if problem.status < 500 else "server_error"
    return {"error": {"message": problem.message, "type": kind, "param": problem.param, "code": problem.code}}


def parse(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Problem(400, f"We could not parse the JSON body of your request: {error}") from None
    if not isinstance(value, dict):
        raise Problem(400, "The body of your request must be a JSON object")
    return value


def model_of(body: dict[str, Any], models: tuple[str, ...]) -> str:
    model = body.get("model")
    if not isinstance(model, str) or not model:
        raise Problem(400, "you must provide a model parameter", "model")
    if not model.startswith(models):
        raise Problem(404, f"The model `{model[:100]}` does not exist", "model", "model_not_found")
    return model


def integer(body: dict[str, Any], *names: str, least: int = 1) -> int | None:
    """The first of `names` that has a value; None when none has."""
    for name in names:
        value = body.get(name)
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise Problem(400, f"{name} must be an integer of at least {least}", name)
        return value
    return None


def switch(body: dict[str, Any], name: str) -> bool:
    value = body.get(name)
    if value is not None and not isinstance(value, bool):
        raise Problem(400, f"{name} must be true or false", name)
    return bool(value)


def required(body: dict[str, Any], name: str, *kinds: type) -> Any:
    value = body.get(name)
    if not isinstance(value, kinds) or value in ("", []):
        raise Problem(400, f"{name} is required", name)
    return value
