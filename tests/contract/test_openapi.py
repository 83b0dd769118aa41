"""The OpenAPI document: in step with the gateway, complete, and true to its own schemas."""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator, FormatChecker

ROOT = Path(__file__).parents[2]
COMMITTED = (ROOT / "docs" / "openapi.json").read_text()
DOCUMENT: Mapping[str, Any] = json.loads(COMMITTED)
GAMIFY = "/api/v1/gamify"
PROBLEM = "application/problem+json"

EVERYWHERE = {(401, "unauthorized"), (403, "forbidden"), (422, "validation_error"), (503, "unavailable")}
EVERYWHERE |= {(431, "request_header_fields_too_large")}
BODY = {(408, "request_timeout"), (413, "payload_too_large"), (415, "unsupported_media_type")}
NOT_FOUND = {(404, "badge_not_found")}
CAPPED = {(429, "RATE_LIMIT_PARTICIPANT_EXCEEDED"), (503, "award_pending")}

OPERATIONS: Mapping[str, tuple[str, str, set[int], set[tuple[int, str]]]] = {
    "award_badge": ("post", "/badges/award", {200, 202}, EVERYWHERE | BODY | NOT_FOUND | CAPPED),
    "participant_badges": ("get", "/participants/{participant_id}/badges", {200, 304}, EVERYWHERE),
    "list_badge_definitions": ("get", "/admin/badges", {200}, EVERYWHERE),
    "create_badge_definition": ("post", "/admin/badges", {201}, EVERYWHERE | BODY | {(400, "badge_code_conflict")}),
    "get_badge_definition": ("get", "/admin/badges/{badge_id}", {200}, EVERYWHERE | NOT_FOUND),
    "update_badge_definition": ("patch", "/admin/badges/{badge_id}", {200}, EVERYWHERE | BODY | NOT_FOUND),
    "explain_badge": ("get", "/admin/participants/{participant_id}/badges/{badge_code}/explain", {200}, EVERYWHERE),
    "deactivate_badge_definition": ("delete", "/admin/badges/{badge_id}", {200}, EVERYWHERE | NOT_FOUND),
}
RATE_LIMIT = {"X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset"}

operations = pytest.mark.parametrize("name", OPERATIONS)


def operation(name: str) -> Mapping[str, Any]:
    """One operation of the document."""
    method, path, _, _ = OPERATIONS[name]
    found: Mapping[str, Any] = DOCUMENT["paths"][GAMIFY + path][method]
    return found


def headers(name: str, status: int) -> set[str]:
    """The headers that an answer is documented with."""
    return set(operation(name)["responses"][str(status)].get("headers", {}))


def test_committed_document_is_the_served_one() -> None:
    command = [sys.executable, "-W", "error", "-m", "api.print_openapi"]
    printed = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout
    assert printed == COMMITTED, f"run: {' '.join(command[-2:])} > docs/openapi.json"


def test_every_endpoint_is_there_under_a_short_name_and_no_other() -> None:
    there = {
        operation["operationId"]: (method, path)
        for path, methods in DOCUMENT["paths"].items()
        for method, operation in methods.items()
    }
    assert there == {name: (method, GAMIFY + path) for name, (method, path, _, _) in OPERATIONS.items()}


def test_title_page_says_how_to_begin() -> None:
    description = DOCUMENT["info"]["description"]
    for part in ("badgectl keys create", "bq_test_", "gamify:admin", "Retry-After", "problem+json", "64 KiB"):
        assert part in description
    assert DOCUMENT["components"]["securitySchemes"]["ApiKey"]["name"] == "X-API-Key"
    assert DOCUMENT["components"]["securitySchemes"]["ApiKey"]["description"]


@operations
def test_operation_is_described_and_needs_a_key(name: str) -> None:
    described = operation(name)
    assert described["security"] == [{"ApiKey": []}]
    assert described["summary"]
    assert described["description"]
    tags = {tag["name"] for tag in DOCUMENT["tags"] if tag["description"]}
    assert len(described["tags"]) == 1
    assert set(described["tags"]) <= tags
    for parameter in described.get("parameters", []):
        assert parameter["description"]
        assert isinstance(parameter["schema"]["type"], str), "a parameter has one type, and is never null"


@operations
def test_every_status_of_an_operation_is_documented_and_no_other(name: str) -> None:
    _, _, successes, errors = OPERATIONS[name]
    assert set(operation(name)["responses"]) == {str(status) for status in successes | {status for status, _ in errors}}


@operations
def test_every_error_code_of_an_operation_has_an_example(name: str) -> None:
    _, _, successes, errors = OPERATIONS[name]
    shown = set()
    for status, response in operation(name)["responses"].items():
        if int(status) in successes:
            continue
        assert set(response["content"]) == {PROBLEM}
        for example in response["content"][PROBLEM]["examples"].values():
            problem = example["value"]
            assert problem["status"] == int(status)
            assert problem["type"] == f"urn:badges:problem:{problem['code']}"
            assert f"`{problem['code']}`" in response["description"]
            shown.add((int(status), problem["code"]))
    assert shown == errors


@operations
def test_admin_scope_is_among_the_reasons_where_it_is_needed_alone(name: str) -> None:
    examples = operation(name)["responses"]["403"]["content"][PROBLEM]["examples"]
    assert ("missing_scope" in examples) is ("/admin/" in OPERATIONS[name][1])


@operations
def test_retry_after_is_documented_where_it_is_sent(name: str) -> None:
    for status, response in operation(name)["responses"].items():
        sent = status in {"429", "503"}
        assert ("Retry-After" in response.get("headers", {})) is sent
        if sent:
            assert response["headers"]["Retry-After"]["required"] is True


def test_headers_of_successes_are_documented() -> None:
    assert headers("award_badge", 200) == RATE_LIMIT
    assert headers("award_badge", 202) == RATE_LIMIT | {"Location", "Preference-Applied"}
    for status in (404, 429, 503):
        assert headers("award_badge", status) >= RATE_LIMIT
    for status in (200, 304):
        assert headers("participant_badges", status) == {"ETag", "Cache-Control", "Vary"}


def test_limits_of_the_contract_are_in_the_schemas() -> None:
    parameters = {
        (name, parameter["name"]): parameter["schema"]
        for name in OPERATIONS
        for parameter in operation(name).get("parameters", [])
    }
    participant = parameters["participant_badges", "participant_id"]
    assert (participant["minLength"], participant["maxLength"]) == (1, 255)
    page, page_size = parameters["list_badge_definitions", "page"], parameters["list_badge_definitions", "page_size"]
    assert (page["minimum"], page["default"]) == (1, 1)
    assert (page_size["minimum"], page_size["maximum"], page_size["default"]) == (1, 100, 50)
    assert parameters["participant_badges", "earned_only"]["default"] is False
    assert parameters["get_badge_definition", "badge_id"]["format"] == "uuid"
    assert {"Prefer", "If-None-Match"} <= {parameter for _, parameter in parameters}
    schemas = DOCUMENT["components"]["schemas"]
    assert set(schemas["AwardBody"]["required"]) == {"participant_id", "badge_code"}
    assert set(schemas["BadgeBody"]["required"]) == {"code", "name"}
    assert "required" not in schemas["BadgeChanges"]
    assert schemas["Rarity"]["enum"] == ["common", "uncommon", "rare", "epic", "legendary"]
    for model in ("BadgeBody", "BadgeChanges"):
        order = schemas[model]["properties"]["display_order"]
        assert (order["type"], order["minimum"], order["maximum"]) == ("integer", -(2**31), 2**31 - 1)
    for model, field, longest in (
        ("AwardBody", "participant_id", 255),
        ("AwardBody", "badge_code", 50),
        ("BadgeBody", "code", 50),
        ("BadgeBody", "name", 100),
        ("BadgeChanges", "name", 100),
    ):
        limits = schemas[model]["properties"][field]
        assert (limits["type"], limits["minLength"], limits["maxLength"]) == ("string", 1, longest)


def examples(node: object, place: str = "#") -> Iterator[tuple[str, Mapping[str, Any], object]]:
    """Every example of the document, with its place and the schema it has to fit."""
    if isinstance(node, dict):
        if "schema" in node:
            for name, example in node.get("examples", {}).items():
                yield f"{place}/{name}", node["schema"], example["value"]
            if "example" in node:
                yield place, node["schema"], node["example"]
        for name, below in node.items():
            yield from examples(below, f"{place}/{name}")
    elif isinstance(node, list):
        for number, below in enumerate(node):
            yield from examples(below, f"{place}/{number}")


def faults(schema: Mapping[str, Any], value: object) -> list[str]:
    """Why a value does not fit."""
    whole = {**schema, "components": DOCUMENT["components"]}
    return [error.message for error in Draft202012Validator(whole, format_checker=FormatChecker()).iter_errors(value)]


def test_every_example_fits_its_schema() -> None:
    found = list(examples(DOCUMENT))
    assert len(found) > 80
    assert {place: why for place, schema, value in found if (why := faults(schema, value))} == {}


def test_example_that_does_not_fit_would_be_found() -> None:
    schema = {"$ref": "#/components/schemas/AwardResponse"}
    (fit,) = [value for place, _, value in examples(DOCUMENT) if place.endswith("/first_award")]
    assert isinstance(fit, dict)
    assert faults(schema, fit) == []
    for change in ({"rarity": "mythic"}, {"already_earned": 0}, {"participant_id": None}):
        assert faults(schema, fit | change)


@operations
def test_every_body_has_an_example(name: str) -> None:
    described = operation(name)
    contents = [response["content"] for response in described["responses"].values() if "content" in response]
    contents += [described["requestBody"]["content"]] if "requestBody" in described else []
    for content in contents:
        assert all(media_type["examples"] for media_type in content.values())
    assert ("requestBody" in described) is (OPERATIONS[name][0] in {"post", "patch"})


def test_schemas_are_schemas() -> None:
    for schema in DOCUMENT["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)
