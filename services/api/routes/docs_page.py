"""`/docs`: Swagger UI over `/openapi.json`. Everything it needs is served from here, behind firewalls too."""

from collections.abc import Mapping
from http import HTTPStatus
from importlib.resources import files

from fastapi import APIRouter, HTTPException
from fastapi.responses import Response

SWAGGER_UI = "fastapi_swagger.resources"
"""Where the files of the Swagger UI distribution are. Nothing else of that package is used."""

MEDIA_TYPES: Mapping[str, str] = {
    "swagger-ui-bundle.js": "text/javascript",
    "swagger-ui.css": "text/css",
    "favicon-32x32.png": "image/png",
}
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; connect-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'"
)
"""The page can reach nobody else, whatever it is made to try: somebody types a key into it."""

_PAGE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Badges API</title>
<link rel="icon" href="docs/favicon-32x32.png">
<link rel="stylesheet" href="docs/swagger-ui.css">
</head>
<body>
<div id="swagger-ui"></div>
<script src="docs/swagger-ui-bundle.js"></script>
<script src="docs/start.js"></script>
</body>
</html>
"""

_START = """\
SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#swagger-ui",
  layout: "BaseLayout",
  presets: [SwaggerUIBundle.presets.apis],
  deepLinking: true,
  validatorUrl: null,
});
"""

router = APIRouter(include_in_schema=False)


@router.get("/docs")
async def docs_page() -> Response:
    """The page; its addresses are relative, so that it works behind a proxy's prefix too."""
    return Response(_PAGE, media_type="text/html", headers={"Content-Security-Policy": CONTENT_SECURITY_POLICY})


@router.get("/docs/start.js")
async def docs_start() -> Response:
    """What the page runs: a file of its own, as the policy lets no script stand in a page."""
    return Response(_START, media_type="text/javascript")


@router.get("/docs/{name}")
def docs_file(name: str) -> Response:
    """One file of Swagger UI. They change only with a release of ours."""
    if name not in MEDIA_TYPES:
        raise HTTPException(HTTPStatus.NOT_FOUND)
    content = (files(SWAGGER_UI) / name).read_bytes()
    return Response(content, media_type=MEDIA_TYPES[name], headers={"Cache-Control": "max-age=3600"})
