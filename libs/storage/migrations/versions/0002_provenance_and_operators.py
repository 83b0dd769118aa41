"""Where each award's request stands in the log; which Kafka it is; what operators ask for and decide.

Revision: 0002. Adds only: the code of 0001 goes on beside it.
"""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

# Built beside reads and writes; what they wait for (older transactions) waits for nobody here.
INDEX_LOCK_TIMEOUT = "60s"
INDEXES = {
    "ix_rejected_requests_tenant_id_participant_id_badge_code": (
        "rejected_requests (tenant_id, participant_id, badge_code)"
    ),
    "ix_outbox_created_at": "outbox (created_at)",
}
STATEMENTS = (
    """
    CREATE TABLE IF NOT EXISTS brake_control (
        id SMALLINT DEFAULT 1 NOT NULL,
        released_until timestamptz NOT NULL,
        CONSTRAINT pk_brake_control PRIMARY KEY (id),
        CONSTRAINT ck_brake_control_one_row CHECK (id = 1)
    )
    """,
    """
    INSERT INTO brake_control (released_until) VALUES (now()) ON CONFLICT DO NOTHING
    """,
    """
    ALTER TABLE relay_state ADD COLUMN IF NOT EXISTS cluster_id TEXT
    """,
    """
    ALTER TABLE rejected_requests ADD COLUMN IF NOT EXISTS redriven_at timestamptz
    """,
    """
    ALTER TABLE awards ADD COLUMN IF NOT EXISTS topic TEXT, ADD COLUMN IF NOT EXISTS partition INTEGER,
        ADD COLUMN IF NOT EXISTS "offset" BIGINT
    """,
)


def upgrade() -> None:
    """Add them, each statement in a transaction of its own.

    No table is locked while an index is built or another table is waited for: workers go on, and nobody deadlocks.
    A run that was cut short is run again: what it did is not done twice.
    """
    with op.get_context().autocommit_block():
        op.execute(f"SET lock_timeout = '{INDEX_LOCK_TIMEOUT}'")
        for name, columns in INDEXES.items():
            # What is left of a build that was cut short is not valid.
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
            op.execute(f"CREATE INDEX CONCURRENTLY {name} ON {columns}")
        op.execute("RESET lock_timeout")
        for statement in STATEMENTS:
            op.execute(statement)


def downgrade() -> None:
    """Take them back."""
    op.execute("DROP TABLE brake_control")
    op.execute("ALTER TABLE relay_state DROP COLUMN cluster_id")
    for name in INDEXES:
        op.execute(f"DROP INDEX {name}")
    op.execute("ALTER TABLE rejected_requests DROP COLUMN redriven_at")
    op.execute('ALTER TABLE awards DROP COLUMN topic, DROP COLUMN partition, DROP COLUMN "offset"')
