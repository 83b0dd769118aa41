"""The statements of the worker and the relay, as SQL.

Lists come in as arrays of one length each; `ledger` builds them side by side from one sequence.
"""

from sqlalchemy import text

# FOR SHARE: a deactivation waits for the awards under way, and those after it see it.
FIND_DEFINITIONS = text("""
    SELECT b.id, b.tenant_id, b.code, b.name, b.description, b.icon_url, b.badge_color, b.rarity,
           b.category, b.is_active, b.is_hidden, b.display_order, b.created_at, b.updated_at,
           t.is_enabled AS tenant_is_enabled
    FROM badges AS b
    JOIN tenants AS t ON t.id = b.tenant_id
    JOIN unnest(CAST(:tenant_ids AS uuid[]), CAST(:codes AS text[])) AS w (tenant_id, code)
      ON b.tenant_id = w.tenant_id AND b.code = w.code
    ORDER BY b.id
    FOR SHARE OF b
""")

FIND_TENANTS = text("""
    SELECT id, is_enabled FROM tenants WHERE id = ANY (CAST(:tenant_ids AS uuid[]))
""")

FIND_REJECTIONS = text("""
    SELECT r.topic, r.partition, r."offset", r.timestamp_ms, r.reason, r.detail
    FROM rejected_requests AS r
    JOIN unnest(
        CAST(:topics AS text[]), CAST(:partitions AS integer[]),
        CAST(:offsets AS bigint[]), CAST(:timestamps AS bigint[])
    ) AS p (topic, partition, "offset", timestamp_ms) USING (topic, partition, "offset", timestamp_ms)
""")

INSERT_AWARDS = text("""
    INSERT INTO awards
        (tenant_id, participant_id, badge_id, earned_at, metadata, request_id, source, topic, partition, "offset")
    SELECT tenant_id, participant_id, badge_id, earned_at, CAST(metadata AS jsonb),
           request_id, source, topic, partition, "offset"
    FROM unnest(
        CAST(:tenant_ids AS uuid[]), CAST(:participant_ids AS text[]),
        CAST(:badge_ids AS uuid[]), CAST(:earned_ats AS timestamptz[]),
        CAST(:metadatas AS text[]), CAST(:request_ids AS text[]), CAST(:sources AS text[]),
        CAST(:topics AS text[]), CAST(:partitions AS integer[]), CAST(:offsets AS bigint[])
    ) AS n (tenant_id, participant_id, badge_id, earned_at, metadata, request_id, source, topic, partition, "offset")
    ON CONFLICT ON CONSTRAINT pk_awards DO NOTHING
    RETURNING tenant_id, participant_id, badge_id
""")

FIND_AWARDS = text("""
    SELECT a.tenant_id, a.participant_id, a.badge_id, a.earned_at, a.metadata, a.request_id,
           a.source
    FROM awards AS a
    JOIN unnest(
        CAST(:tenant_ids AS uuid[]), CAST(:participant_ids AS text[]), CAST(:badge_ids AS uuid[])
    ) AS w (tenant_id, participant_id, badge_id) USING (tenant_id, participant_id, badge_id)
""")

INSERT_REJECTIONS = text("""
    INSERT INTO rejected_requests
        (topic, partition, "offset", timestamp_ms, reason, detail, tenant_id, participant_id,
         badge_code, request_id)
    SELECT * FROM unnest(
        CAST(:topics AS text[]), CAST(:partitions AS integer[]), CAST(:offsets AS bigint[]),
        CAST(:timestamps AS bigint[]), CAST(:reasons AS text[]), CAST(:details AS text[]),
        CAST(:tenant_ids AS uuid[]), CAST(:participant_ids AS text[]),
        CAST(:badge_codes AS text[]), CAST(:request_ids AS text[])
    )
    ON CONFLICT ON CONSTRAINT pk_rejected_requests DO NOTHING
    RETURNING topic, partition, "offset", timestamp_ms
""")

OUTBOX_CHANNEL = "badges_outbox"

ENQUEUE = text("""
    WITH queued AS (
        INSERT INTO outbox (payload, message_count) VALUES (:payload, :message_count) RETURNING id
    )
    SELECT pg_notify(:channel, '') FROM queued
""")
