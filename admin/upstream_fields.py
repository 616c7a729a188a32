"""The fields that say where a model's requests go, for any surface, with their bounds.  No route and no query here."""

from typing import Annotated, Any

from pydantic import AfterValidator, Field, StringConstraints
from pydantic.json_schema import WithJsonSchema

from admin.fields import Body, ModelName, printable
from tenancy.values.endpoint import parse_endpoint
from tenancy.values.upstream import (
    AUTHORIZATION,
    CREDENTIAL,
    FILE,
    HEADER,
    HTTP_PATH,
    MAX_ENDPOINTS,
    MAX_PRIORITY,
    MAX_RETRIES,
    MAX_SHARE,
    MAX_TARGETS,
    MAX_TIMEOUT_SECONDS,
    Endpoint,
    Target,
)


def _endpoint(url: str) -> str:
    parse_endpoint(url)
    return url


def matching(pattern: Any, says: str) -> AfterValidator:
    def check(text: str) -> str:
        if not pattern.fullmatch(text):
            raise ValueError(says)
        return text

    return AfterValidator(check)


EndpointUrl = Annotated[
    str,
    StringConstraints(max_length=1024),
    AfterValidator(printable),
    AfterValidator(_endpoint),
    WithJsonSchema({"type": "string", "format": "uri", "maxLength": 1024, "pattern": "^https?://"}),
]
Credential = Annotated[
    str,
    matching(CREDENTIAL, "must be env:VARIABLE or file:NAME: the secret itself is not kept here"),
    WithJsonSchema({"type": "string", "pattern": "^(env|file):", "maxLength": 133, "examples": ["env:OPENAI_API_KEY"]}),
]
CredentialHeader = Annotated[
    str,
    matching(HEADER, "must be the name of a header in small letters, and none that says where a request goes"),
    WithJsonSchema({"type": "string", "maxLength": 64, "examples": [AUTHORIZATION]}),
]
HealthPath = Annotated[
    str,
    matching(HTTP_PATH, "must be a path such as /health"),
    WithJsonSchema({"type": "string", "maxLength": 256, "pattern": "^/", "examples": ["/health"]}),
]
CaFile = Annotated[
    str,
    matching(FILE, "must be an absolute path, on the machine of Envoy"),
    WithJsonSchema({"type": "string", "maxLength": 1024, "pattern": "^/", "examples": ["/etc/ssl/private-ca.pem"]}),
]
Share = Annotated[int, Field(strict=True, ge=1, le=MAX_SHARE)]
Priority = Annotated[int, Field(strict=True, ge=0, le=MAX_PRIORITY)]
Retries = Annotated[int, Field(strict=True, ge=0, le=MAX_RETRIES)]
AnswerSeconds = Annotated[int, Field(strict=True, ge=1, le=MAX_TIMEOUT_SECONDS)]


class EndpointBody(Body):
    """One server of a model."""

    url: EndpointUrl = Field(description="Its path goes before each request's", examples=["http://vllm.internal:8000"])
    weight: Share = Field(1, description="Its part of the requests, beside those of the same priority")
    priority: Priority = Field(0, description="A higher one gets requests while none of a lower is healthy")
    credential: Credential | None = Field(None, description="In place of the model's own")


class TargetBody(Body):
    """A model that an alias stands for."""

    model: ModelName = Field(examples=["mock-model"])
    weight: Share = Field(1, description="Its part of the requests", examples=[90])


class UpstreamFields(Body):
    """Where the requests for a model go, and how."""

    endpoints: Annotated[list[EndpointBody], Field(max_length=MAX_ENDPOINTS)] = Field(
        [], description="Its servers, in place of `endpoint`", examples=[[]]
    )
    targets: Annotated[list[TargetBody], Field(max_length=MAX_TARGETS)] = Field(
        [], description="Makes it an alias of these models, of which each request gets one", examples=[[]]
    )
    credential: Credential | None = Field(
        None, description="The credential for endpoints: the name of a secret that sidecars have"
    )
    credential_header: CredentialHeader = Field(
        AUTHORIZATION, description="The header that carries it; `authorization` has it after `Bearer `"
    )
    timeout_seconds: AnswerSeconds | None = Field(
        None, description="Seconds until an answer begins; null: idle timeout"
    )
    retries: Retries = Field(2, description="Maximum tries at other endpoints when one did not accept a request")
    health_path: HealthPath | None = Field(None, description="Asked every 5 s; null: an endpoint is tried by requests")
    ca_file: CaFile | None = Field(None, description="Where Envoy has the certificates that it trusts; null: its own")
    send_priority: bool = Field(False, description="Whether bodies say the priority of their group, as vLLM reads it")


def values_of(fields: dict[str, Any]) -> dict[str, Any]:
    """The fields of a NewModel from those of a body."""
    endpoints = tuple(Endpoint(**each) for each in fields.pop("endpoints"))
    return {**fields, "endpoints": endpoints, "targets": tuple(Target(**each) for each in fields.pop("targets"))}
