"""Ids and keys: what is the same tomorrow, and what an API key looks like."""

import hashlib
from uuid import UUID

import pytest

from builders import TENANT
from domain.awards import RejectionReason, award_event_id
from domain.tenants import Environment, Principal, hash_key, is_key_shaped, new_key

BADGE = UUID("22222222-2222-4222-8222-222222222222")
OTHER = UUID("33333333-3333-4333-8333-333333333333")


def test_event_id_of_an_award_never_changes() -> None:
    """Consumers deduplicate on it, across releases: this very value must stay."""
    assert award_event_id((TENANT, "user_123", BADGE)) == UUID("20bf3375-a233-5f38-bb4e-0bdd5dfd53fd")


def test_every_part_of_an_award_counts_for_its_event_id() -> None:
    keys = [(TENANT, "a", BADGE), (OTHER, "a", BADGE), (TENANT, "b", BADGE), (TENANT, "a", OTHER), (BADGE, "a", TENANT)]
    assert len({award_event_id(key) for key in keys}) == len(keys)
    assert {award_event_id(key).version for key in keys} == {5}


def test_rejection_reasons_are_the_documented_ones() -> None:
    assert {reason.value for reason in RejectionReason} == {
        "malformed_json",
        "not_utf8",
        "unknown_event_type",
        "schema_violation",
        "too_large",
        "unknown_tenant",
        "tenant_disabled",
        "badge_not_found",
        "earned_at_in_future",
    }


@pytest.mark.parametrize(("environment", "prefix"), [(Environment.LIVE, "bq_live_"), (Environment.TEST, "bq_test_")])
def test_key_is_a_prefix_and_128_bits_in_hex(environment: Environment, prefix: str) -> None:
    key = new_key(environment, lambda count: b"\xab" * count)
    assert key == prefix + "ab" * 16
    assert is_key_shaped(key)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "bq_live_",
        "bq_live_" + "a" * 31,
        "bq_live_" + "a" * 33,
        "bq_live_" + "A" * 32,
        "bq_live_" + "g" * 32,
        "bq_prod_" + "a" * 32,
        "BQ_live_" + "a" * 32,
        " bq_live_" + "a" * 32,
        "bq_live_" + "a" * 32 + "\n",
        "bq_live_" + "\u0660" * 32,
    ],
)
def test_other_texts_are_no_keys(text: str) -> None:
    assert not is_key_shaped(text)


def test_key_is_stored_as_its_sha_256() -> None:
    assert hash_key("bq_live_x") == hashlib.sha256(b"bq_live_x").digest()


@pytest.mark.parametrize(
    ("scopes", "is_admin"),
    [((), False), (("participant",), False), (("Admin",), False), (("admin",), True), (("x", "gamify:admin"), True)],
)
def test_either_admin_scope_makes_an_admin(scopes: tuple[str, ...], *, is_admin: bool) -> None:
    principal = Principal(
        key_id=OTHER, tenant_id=TENANT, environment=Environment.LIVE, tenant_is_enabled=True, scopes=frozenset(scopes)
    )
    assert principal.is_admin is is_admin
