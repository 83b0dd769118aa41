"""The served OpenAPI document, taken at its word by schemathesis: one call at a time, and calls that build on others.

`use_after_free` is not checked: a deleted badge is deactivated, and can still be read.
"""

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from processes import Service
from shared import Shared, Tenant

DOCUMENT = json.loads((Path(__file__).parents[2] / "docs" / "openapi.json").read_text())
OPERATIONS = sum(map(len, DOCUMENT["paths"].values()))
SECONDS = 100
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "positive_data_acceptance",
    "ignored_auth",
    "ensure_resource_availability",
    "unsupported_method",
    "allow_header_conformance",
)
CONFIG = """
[checks.positive_data_acceptance]
# 400 is the contract's badge_code_conflict.
expected-statuses = ["2xx", "304", "400", "404"]
"""


@pytest.fixture(scope="module")
def gateway(shared: Shared) -> Iterator[Service]:
    """A gateway without a cap worth the name."""
    service = shared.place.gateway(awards_per_minute="1000000")
    asyncio.run(service.ready())
    yield service
    service.stop()


def schemathesis(gateway: Service, key: str, folder: Path, phases: str, examples: int) -> str:
    """Run it, the same calls each time; return what it printed."""
    (folder / "schemathesis.toml").write_text(CONFIG)
    run = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "run", f"{gateway.url}/openapi.json"),
            *("--header", f"X-API-Key: {key}", "--checks", ",".join(CHECKS), "--phases", phases),
            *("--max-examples", str(examples), "--seed", "1", "--generation-deterministic", "--mode", "all"),
            *("--no-color", "--continue-on-failure", "--workers", "2"),
        ],
        cwd=folder,
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=SECONDS,
    )
    assert run.returncode == 0, run.stdout
    return run.stdout


@pytest.mark.parametrize(("phases", "examples"), [("examples,coverage", 1), ("fuzzing", 60), ("stateful", 10)])
async def test_every_call_is_answered_as_the_document_says(
    phases: str, examples: int, gateway: Service, tenant: Tenant, tmp_path: Path
) -> None:
    printed = await asyncio.to_thread(schemathesis, gateway, tenant.admin_key, tmp_path, phases, examples)
    assert f"{OPERATIONS} selected / {OPERATIONS} total" in printed
    assert gateway.process is not None
    assert gateway.process.poll() is None
    assert "request.failed" not in gateway.log.read_text(errors="replace")
