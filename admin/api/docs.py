"""/docs: the schema as pages on which requests can be tried out.  Needs no token to load, and holds nothing secret.

Swagger UI is served from here, out of a package that brings its files: the page loads nothing from elsewhere.
"""

from collections.abc import Callable
from functools import cache
from importlib.metadata import distribution
from pathlib import Path

from fastapi import APIRouter
from fastapi.responses import FileResponse

router = APIRouter(prefix="/docs", include_in_schema=False)

# Swagger UI sets styles from its script; icons of it are data.
POLICY = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'"
HEADERS = {"content-security-policy": POLICY, "x-content-type-options": "nosniff", "referrer-policy": "no-referrer"}


def _own() -> Path:
    return Path(__file__).parent / "pages"


@cache
def _swagger() -> Path:
    return Path(str(distribution("fastapi-offline").locate_file("fastapi_offline/static")))


FILES: dict[str, tuple[Callable[[], Path], str, str]] = {
    "": (_own, "docs.html", "text/html"),
    "/start.js": (_own, "start.js", "text/javascript"),
    "/swagger-ui-bundle.js": (_swagger, "swagger-ui-bundle.js", "text/javascript"),
    "/swagger-ui.css": (_swagger, "swagger-ui.css", "text/css"),
    "/favicon.png": (_swagger, "favicon.png", "image/png"),
}
PATHS = frozenset(FILES)


def _serve(path: str) -> None:
    folder, name, media_type = FILES[path]

    @router.get(path)
    async def serve() -> FileResponse:
        return FileResponse(folder() / name, media_type=media_type, headers=HEADERS)


for _path in FILES:
    _serve(_path)
