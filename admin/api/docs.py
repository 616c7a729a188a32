"""/docs: the schema as pages on which requests can be tried out.  Needs no token to load, and holds nothing secret.

Swagger UI is served from here, out of a package that brings its files: the page loads nothing from elsewhere.
"""

from collections.abc import Mapping
from functools import cache
from importlib.metadata import distribution
from pathlib import Path

from fastapi import APIRouter
from fastapi.responses import FileResponse

router = APIRouter(prefix="/docs", include_in_schema=False)

PAGES = Path(__file__).parent / "pages"
# Swagger UI sets styles from its script; icons of it are data.
POLICY = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'"
HEADERS = {"content-security-policy": POLICY, "x-content-type-options": "nosniff", "referrer-policy": "no-referrer"}
OF_SWAGGER: Mapping[str, str] = {
    "swagger-ui-bundle.js": "text/javascript",
    "swagger-ui.css": "text/css",
    "favicon.png": "image/png",
}
PATHS = frozenset({"", "/start.js", *(f"/{name}" for name in OF_SWAGGER)})


@cache
def _swagger() -> Path:
    return Path(str(distribution("fastapi-offline").locate_file("fastapi_offline/static")))


@router.get("")
async def page() -> FileResponse:
    """The page."""
    return FileResponse(PAGES / "docs.html", headers=HEADERS)


@router.get("/start.js")
async def start() -> FileResponse:
    """What the page runs."""
    return FileResponse(PAGES / "start.js", headers=HEADERS)


def _asset(name: str, media_type: str) -> None:
    @router.get(f"/{name}")
    async def asset() -> FileResponse:
        return FileResponse(_swagger() / name, media_type=media_type, headers=HEADERS)


for _name, _media_type in OF_SWAGGER.items():
    _asset(_name, _media_type)
