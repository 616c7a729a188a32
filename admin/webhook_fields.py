"""The fields of a webhook, for any surface, with their bounds.  No route and no query here."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from tenancy.directory.webhooks.webhooks import EventKind

EventName = StrEnum("EventName", {each.name: each.value for each in EventKind if each is not EventKind.WEBHOOK_TEST})  # type: ignore[misc]
Percent = Annotated[int, Field(strict=True, ge=1, le=100)]
Overlap = Annotated[int, Field(strict=True, ge=0, le=30 * 86_400)]
