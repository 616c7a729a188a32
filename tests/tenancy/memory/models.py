"""The model registry in a dictionary: the same answers as the Postgres adapter."""

import uuid
from dataclasses import replace
from datetime import UTC, datetime

from tenancy.directory.audit import snapshot
from tenancy.directory.change_request import ChangeRequest, Deleted, require
from tenancy.directory.models import (
    Model,
    ModelInUse,
    ModelNameTaken,
    NewModel,
    NoSuchModel,
    ResponseCache,
    UnknownTarget,
    fields_of,
)
from tests.tenancy.memory.audit import MemoryAuditLog


class MemoryRegistry:
    """Implements tenancy.directory.models.Registry."""

    def __init__(self, log: MemoryAuditLog) -> None:
        self._log = log
        self._models: dict[str, Model] = {}

    async def create(self, new: NewModel, by: ChangeRequest) -> Model:
        now = datetime.now(UTC)
        model = Model(id=str(uuid.uuid4()), **fields_of(new), cache=ResponseCache(), created_at=now, updated_at=now)
        self._check(model)
        self._models[model.id] = model
        self._log.add(by, "create_model", ("model", model.id), None, snapshot(model))
        return model

    async def get(self, model_id: str) -> Model | None:
        return self._models.get(model_id)

    async def page(self, limit: int, after: str = "") -> tuple[Model, ...]:
        ordered = sorted(self._models.values(), key=lambda model: model.name)
        return tuple(model for model in ordered if model.name > after)[:limit]

    async def update(self, model_id: str, to: NewModel | ResponseCache, by: ChangeRequest) -> Model:
        before = self._existing(model_id)
        require(by, before)
        if isinstance(to, ResponseCache):
            changed = replace(before, cache=to.after(before.cache))
        else:
            changed = replace(before, **fields_of(to))
        if changed == before:
            return before
        if changed.name != before.name or changed.targets:
            self._require_unused(before)
        self._check(changed)
        after = self._models[model_id] = replace(changed, updated_at=datetime.now(UTC))
        self._log.add(by, "update_model", ("model", model_id), snapshot(before), snapshot(after))
        return after

    async def delete(self, model_id: str, by: ChangeRequest) -> Deleted:
        model = self._existing(model_id)
        require(by, model)
        self._require_unused(model)
        if not by.dry_run:
            del self._models[model_id]
            self._log.add(by, "delete_model", ("model", model_id), snapshot(model), None)
        return {"models": 1}

    def _existing(self, model_id: str) -> Model:
        if model_id not in self._models:
            raise NoSuchModel(model_id)
        return self._models[model_id]

    def _check(self, model: Model) -> None:
        if any(other.name == model.name and other.id != model.id for other in self._models.values()):
            raise ModelNameTaken(model.name)
        models = {other.name for other in self._models.values() if not other.targets and other.id != model.id}
        for target in model.targets:
            if target.model not in models:
                raise UnknownTarget(target.model)

    def _require_unused(self, model: Model) -> None:
        for other in self._models.values():
            if any(target.model == model.name for target in other.targets):
                raise ModelInUse(other.name)
