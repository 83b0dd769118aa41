"""The schema as SQLAlchemy sees it. Migrations make it; `alembic check` compares the two."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Sequence,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    }
)

# Ids and codes are compared as they are, byte by byte: no language has a say in their order.
_IDENTIFIER = Text(collation="C")
_INSTANT = DateTime(timezone=True)


def _now(name: str) -> Column[object]:
    return Column(name, _INSTANT, nullable=False, server_default=func.now())


tenants = Table(
    "tenants",
    metadata,
    Column("id", Uuid, nullable=False),
    Column("slug", _IDENTIFIER, nullable=False),
    Column("environment", Text, nullable=False),
    Column("is_enabled", Boolean, nullable=False, server_default=text("true")),
    _now("created_at"),
    PrimaryKeyConstraint("id"),
    UniqueConstraint("slug", "environment"),
    CheckConstraint("environment IN ('live', 'test')", name="environment"),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", Uuid, nullable=False),
    Column("key_hash", LargeBinary, nullable=False),
    Column("tenant_id", Uuid, nullable=False),
    Column("name", Text, nullable=False),
    Column("scopes", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    _now("created_at"),
    Column("expires_at", _INSTANT),
    Column("revoked_at", _INSTANT),
    Column("last_used_at", _INSTANT),
    PrimaryKeyConstraint("id"),
    UniqueConstraint("key_hash"),
    ForeignKeyConstraint(["tenant_id"], ["tenants.id"]),
    CheckConstraint("octet_length(key_hash) = 32", name="key_hash"),
)
Index(None, api_keys.c.tenant_id)

badges = Table(
    "badges",
    metadata,
    Column("id", Uuid, nullable=False),
    Column("tenant_id", Uuid, nullable=False),
    Column("code", _IDENTIFIER, nullable=False),
    Column("name", Text, nullable=False),
    Column("description", Text),
    Column("icon_url", Text),
    Column("badge_color", Text),
    Column("rarity", Text, nullable=False, server_default=text("'common'")),
    Column("category", _IDENTIFIER),
    Column("is_active", Boolean, nullable=False, server_default=text("true")),
    Column("is_hidden", Boolean, nullable=False, server_default=text("false")),
    Column("display_order", Integer, nullable=False, server_default=text("0")),
    _now("created_at"),
    _now("updated_at"),
    PrimaryKeyConstraint("id"),
    UniqueConstraint("tenant_id", "code"),
    UniqueConstraint("tenant_id", "id"),
    ForeignKeyConstraint(["tenant_id"], ["tenants.id"]),
    CheckConstraint("char_length(code) BETWEEN 1 AND 50", name="code"),
    CheckConstraint("char_length(name) BETWEEN 1 AND 100", name="name"),
    CheckConstraint("char_length(icon_url) <= 2048", name="icon_url"),
    CheckConstraint("char_length(badge_color) <= 20", name="badge_color"),
    CheckConstraint("char_length(category) <= 50", name="category"),
    CheckConstraint("rarity IN ('common', 'uncommon', 'rare', 'epic', 'legendary')", name="rarity"),
)
Index(None, badges.c.tenant_id, badges.c.display_order, badges.c.code)

awards = Table(
    "awards",
    metadata,
    Column("tenant_id", Uuid, nullable=False),
    Column("participant_id", _IDENTIFIER, nullable=False),
    Column("badge_id", Uuid, nullable=False),
    Column("earned_at", _INSTANT, nullable=False),
    Column("metadata", JSONB(none_as_null=True)),
    Column("request_id", Text, nullable=False),
    Column("source", Text, nullable=False),
    _now("recorded_at"),
    # Where the request stands in the log; null for awards of before 0002.
    Column("topic", Text),
    Column("partition", Integer),
    Column("offset", BigInteger),
    PrimaryKeyConstraint("tenant_id", "participant_id", "badge_id"),
    # Both columns: an award can only be of its own tenant's badge, and only while the row exists.
    ForeignKeyConstraint(["tenant_id", "badge_id"], ["badges.tenant_id", "badges.id"]),
    CheckConstraint("char_length(participant_id) BETWEEN 1 AND 255", name="participant_id"),
)
Index(None, awards.c.badge_id)

rejected_requests = Table(
    "rejected_requests",
    metadata,
    Column("topic", Text, nullable=False),
    Column("partition", Integer, nullable=False),
    Column("offset", BigInteger, nullable=False),
    # Part of the key: a topic made anew begins again at offset 0 with other records.
    Column("timestamp_ms", BigInteger, nullable=False),
    Column("reason", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("tenant_id", Uuid),
    Column("participant_id", _IDENTIFIER),
    Column("badge_code", _IDENTIFIER),
    Column("request_id", Text),
    _now("rejected_at"),
    Column("redriven_at", _INSTANT),
    PrimaryKeyConstraint("topic", "partition", "offset", "timestamp_ms"),
)
Index(None, rejected_requests.c.request_id)
Index(None, rejected_requests.c.tenant_id, rejected_requests.c.participant_id, rejected_requests.c.badge_code)
Index(None, rejected_requests.c.rejected_at)

outbox_emit_seq = Sequence("outbox_emit_seq", metadata=metadata, data_type=BigInteger)

outbox = Table(
    "outbox",
    metadata,
    Column("id", BigInteger, Identity(always=True), nullable=False),
    Column("emit_seq", BigInteger),
    Column("payload", LargeBinary, nullable=False),
    Column("message_count", Integer, nullable=False),
    _now("created_at"),
    PrimaryKeyConstraint("id"),
    CheckConstraint("message_count > 0", name="message_count"),
)
# For a batch by the time of its awards.
Index(None, outbox.c.created_at)
Index("ix_outbox_unclaimed", outbox.c.id, postgresql_where=outbox.c.emit_seq.is_(None))
Index(
    "ix_outbox_claimed",
    outbox.c.emit_seq,
    unique=True,
    postgresql_where=outbox.c.emit_seq.is_not(None),
)

relay_state = Table(
    "relay_state",
    metadata,
    # One row: the mirror of the watermark that Kafka holds.
    Column("id", SmallInteger, nullable=False, server_default=text("1"), autoincrement=False),
    Column("emit_seq", BigInteger, nullable=False, server_default=text("0")),
    _now("updated_at"),
    # The Kafka cluster whose log this database is the record of; null until the first worker has met it.
    Column("cluster_id", Text),
    PrimaryKeyConstraint("id"),
    CheckConstraint("id = 1", name="one_row"),
)

brake_control = Table(
    "brake_control",
    metadata,
    # One row: until when operators want every worker's brake off.
    Column("id", SmallInteger, nullable=False, server_default=text("1"), autoincrement=False),
    Column("released_until", _INSTANT, nullable=False),
    PrimaryKeyConstraint("id"),
    CheckConstraint("id = 1", name="one_row"),
)
