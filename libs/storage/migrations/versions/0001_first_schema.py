"""The first schema: tenants, keys, badges, awards, rejected requests, outbox, relay state.

Revision: 0001.
"""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

STATEMENTS = (
    """
    CREATE TABLE tenants (
        id UUID NOT NULL,
        slug TEXT COLLATE "C" NOT NULL,
        environment TEXT NOT NULL,
        is_enabled BOOLEAN DEFAULT true NOT NULL,
        created_at timestamptz DEFAULT now() NOT NULL,
        CONSTRAINT pk_tenants PRIMARY KEY (id),
        CONSTRAINT uq_tenants_slug_environment UNIQUE (slug, environment),
        CONSTRAINT ck_tenants_environment CHECK (environment IN ('live', 'test'))
    )
    """,
    """
    CREATE TABLE api_keys (
        id UUID NOT NULL,
        key_hash BYTEA NOT NULL,
        tenant_id UUID NOT NULL,
        name TEXT NOT NULL,
        scopes TEXT[] DEFAULT '{}' NOT NULL,
        created_at timestamptz DEFAULT now() NOT NULL,
        expires_at timestamptz,
        revoked_at timestamptz,
        last_used_at timestamptz,
        CONSTRAINT pk_api_keys PRIMARY KEY (id),
        CONSTRAINT uq_api_keys_key_hash UNIQUE (key_hash),
        CONSTRAINT fk_api_keys_tenant_id FOREIGN KEY (tenant_id) REFERENCES tenants (id),
        CONSTRAINT ck_api_keys_key_hash CHECK (octet_length(key_hash) = 32)
    )
    """,
    """
    CREATE INDEX ix_api_keys_tenant_id ON api_keys (tenant_id)
    """,
    """
    CREATE TABLE badges (
        id UUID NOT NULL,
        tenant_id UUID NOT NULL,
        code TEXT COLLATE "C" NOT NULL,
        name TEXT NOT NULL,
        description TEXT,
        icon_url TEXT,
        badge_color TEXT,
        rarity TEXT DEFAULT 'common' NOT NULL,
        category TEXT COLLATE "C",
        is_active BOOLEAN DEFAULT true NOT NULL,
        is_hidden BOOLEAN DEFAULT false NOT NULL,
        display_order INTEGER DEFAULT 0 NOT NULL,
        created_at timestamptz DEFAULT now() NOT NULL,
        updated_at timestamptz DEFAULT now() NOT NULL,
        CONSTRAINT pk_badges PRIMARY KEY (id),
        CONSTRAINT uq_badges_tenant_id_code UNIQUE (tenant_id, code),
        CONSTRAINT uq_badges_tenant_id_id UNIQUE (tenant_id, id),
        CONSTRAINT fk_badges_tenant_id FOREIGN KEY (tenant_id) REFERENCES tenants (id),
        CONSTRAINT ck_badges_code CHECK (char_length(code) BETWEEN 1 AND 50),
        CONSTRAINT ck_badges_name CHECK (char_length(name) BETWEEN 1 AND 100),
        CONSTRAINT ck_badges_icon_url CHECK (char_length(icon_url) <= 2048),
        CONSTRAINT ck_badges_badge_color CHECK (char_length(badge_color) <= 20),
        CONSTRAINT ck_badges_category CHECK (char_length(category) <= 50),
        CONSTRAINT ck_badges_rarity
            CHECK (rarity IN ('common', 'uncommon', 'rare', 'epic', 'legendary'))
    )
    """,
    """
    CREATE INDEX ix_badges_tenant_id_display_order_code ON badges (tenant_id, display_order, code)
    """,
    """
    CREATE TABLE awards (
        tenant_id UUID NOT NULL,
        participant_id TEXT COLLATE "C" NOT NULL,
        badge_id UUID NOT NULL,
        earned_at timestamptz NOT NULL,
        metadata JSONB,
        request_id TEXT NOT NULL,
        source TEXT NOT NULL,
        recorded_at timestamptz DEFAULT now() NOT NULL,
        CONSTRAINT pk_awards PRIMARY KEY (tenant_id, participant_id, badge_id),
        CONSTRAINT fk_awards_tenant_id_badge_id
            FOREIGN KEY (tenant_id, badge_id) REFERENCES badges (tenant_id, id),
        CONSTRAINT ck_awards_participant_id
            CHECK (char_length(participant_id) BETWEEN 1 AND 255)
    )
    """,
    """
    CREATE INDEX ix_awards_badge_id ON awards (badge_id)
    """,
    """
    CREATE TABLE rejected_requests (
        topic TEXT NOT NULL,
        partition INTEGER NOT NULL,
        "offset" BIGINT NOT NULL,
        timestamp_ms BIGINT NOT NULL,
        reason TEXT NOT NULL,
        detail TEXT NOT NULL,
        tenant_id UUID,
        participant_id TEXT COLLATE "C",
        badge_code TEXT COLLATE "C",
        request_id TEXT,
        rejected_at timestamptz DEFAULT now() NOT NULL,
        CONSTRAINT pk_rejected_requests PRIMARY KEY (topic, partition, "offset", timestamp_ms)
    )
    """,
    """
    CREATE INDEX ix_rejected_requests_rejected_at ON rejected_requests (rejected_at)
    """,
    """
    CREATE INDEX ix_rejected_requests_request_id ON rejected_requests (request_id)
    """,
    """
    CREATE TABLE outbox (
        id BIGINT GENERATED ALWAYS AS IDENTITY,
        emit_seq BIGINT,
        payload BYTEA NOT NULL,
        message_count INTEGER NOT NULL,
        created_at timestamptz DEFAULT now() NOT NULL,
        CONSTRAINT pk_outbox PRIMARY KEY (id),
        CONSTRAINT ck_outbox_message_count CHECK (message_count > 0)
    )
    """,
    """
    CREATE SEQUENCE outbox_emit_seq AS bigint
    """,
    """
    CREATE UNIQUE INDEX ix_outbox_claimed ON outbox (emit_seq)
    WHERE emit_seq IS NOT NULL
    """,
    """
    CREATE INDEX ix_outbox_unclaimed ON outbox (id)
    WHERE emit_seq IS NULL
    """,
    """
    CREATE TABLE relay_state (
        id SMALLINT DEFAULT 1 NOT NULL,
        emit_seq BIGINT DEFAULT 0 NOT NULL,
        updated_at timestamptz DEFAULT now() NOT NULL,
        CONSTRAINT pk_relay_state PRIMARY KEY (id),
        CONSTRAINT ck_relay_state_one_row CHECK (id = 1)
    )
    """,
    """
    -- Payloads are ready-made and short-lived: compressing them costs more than it saves.
    ALTER TABLE outbox ALTER COLUMN payload SET STORAGE EXTERNAL
    """,
    """
    INSERT INTO relay_state DEFAULT VALUES
    """,
)


def upgrade() -> None:
    """Create everything."""
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """Drop everything."""
    for table in ("relay_state", "outbox", "rejected_requests", "awards", "badges", "api_keys", "tenants"):
        op.execute(f"DROP TABLE {table}")
    op.execute("DROP SEQUENCE outbox_emit_seq")
