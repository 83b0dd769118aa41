"""Where each award's request stands in the log; which Kafka it is; what operators ask for and decide.

Revision: 0002. Adds only: the code of 0001 goes on beside it.
"""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

STATEMENTS = (
    """
    ALTER TABLE awards ADD COLUMN topic TEXT, ADD COLUMN partition INTEGER, ADD COLUMN "offset" BIGINT
    """,
    """
    ALTER TABLE rejected_requests ADD COLUMN redriven_at timestamptz
    """,
    """
    CREATE INDEX ix_rejected_requests_tenant_id_participant_id_badge_code
        ON rejected_requests (tenant_id, participant_id, badge_code)
    """,
    """
    ALTER TABLE relay_state ADD COLUMN cluster_id TEXT
    """,
    """
    CREATE TABLE brake_control (
        id SMALLINT DEFAULT 1 NOT NULL,
        released_until timestamptz NOT NULL,
        CONSTRAINT pk_brake_control PRIMARY KEY (id),
        CONSTRAINT ck_brake_control_one_row CHECK (id = 1)
    )
    """,
    """
    INSERT INTO brake_control (released_until) VALUES (now())
    """,
)


def upgrade() -> None:
    """Add them."""
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """Take them back."""
    op.execute("DROP TABLE brake_control")
    op.execute("ALTER TABLE relay_state DROP COLUMN cluster_id")
    op.execute("DROP INDEX ix_rejected_requests_tenant_id_participant_id_badge_code")
    op.execute("ALTER TABLE rejected_requests DROP COLUMN redriven_at")
    op.execute('ALTER TABLE awards DROP COLUMN topic, DROP COLUMN partition, DROP COLUMN "offset"')
