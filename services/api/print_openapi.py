"""`python -m api.print_openapi`: the OpenAPI document as it is served; `docs/openapi.json` is made with it."""

import json
import sys

from api.app import create_app
from api.settings import ApiSettings


def main() -> None:
    """Print the document. Nothing is connected to."""
    app = create_app(ApiSettings.model_validate({"BADGES_DATABASE_URL": "postgresql://localhost/badges"}))
    sys.stdout.write(f"{json.dumps(app.openapi(), indent=2, ensure_ascii=False)}\n")


if __name__ == "__main__":
    main()
