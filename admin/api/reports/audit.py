"""/audit: every change, newest first."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import AfterValidator, Field

from admin.api.call import Reading
from admin.api.derived import view_of
from admin.api.paging import Page, page_of
from admin.commands.queries import reports
from admin.fields import Moment, printable
from tenancy.directory.audit import AuditEntry, AuditFilter

router = APIRouter(prefix="/audit", tags=["audit"])

Word = Annotated[str, Field(max_length=300), AfterValidator(printable)]


class AuditQuery(Page):
    """Which changes are listed.  A change has to match every filter that is given."""

    actor: Word | None = Field(None, description="Name of the admin token; `admin` is the configured one")
    action: Word | None = Field(None, description="Action, such as `create_tenant`")
    target_type: Word | None = Field(None, description="Kind of resource that was changed, such as `api_key`")
    target_id: Word | None = Field(None, description="Id of the resource that was changed")
    since: Moment | None = Field(None, alias="from", description="Changes at this time or later")
    until: Moment | None = Field(None, alias="to", description="Changes before this time")


AuditView = view_of(
    AuditEntry,
    "AuditView",
    "One change.  `before` is null for a creation, `after` for a deletion; neither ever holds a secret.",
)
AuditPage = page_of("AuditPage", "A page of the audit log, newest first.", audit=AuditView)


@router.get("", response_model=AuditPage)
async def list_audit(page: Annotated[AuditQuery, Query()], call: Reading) -> dict[str, object]:
    """Lists changes, newest first."""
    only = AuditFilter(page.actor, page.action, page.target_type, page.target_id, page.since, page.until)
    return page.answer("audit", await reports.audit(call.session, page.limit + 1, page.before_id(), only), "id")
