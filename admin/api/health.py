"""/health: whether this process answers.  Open to everybody: it is for probes, and says nothing else."""

from fastapi import APIRouter

from admin.fields import View

router = APIRouter(prefix="/health", tags=["health"])


class HealthView(View):
    """The process answers."""

    status: str


@router.get("", response_model=HealthView)
async def health() -> dict[str, str]:
    """Needs no token."""
    return {"status": "ok"}
