"""The statements of the worker's transaction, as SQL.

Lists come in as arrays of one length each; `ledger` builds them side by side from one sequence.
"""

# FOR SHARE: a deactivation waits for the awards under way, and those after it see it.
FIND_DEFINITIONS = """
    SELECT b.id, b.tenant_id, b.code, b.name, b.description, b.icon_url, b.badge_color, b.rarity,
           b.category, b.is_active, b.is_hidden, b.display_order, b.created_at, b.updated_at,
           t.is_enabled AS tenant_is_enabled
    FROM badges AS b
    JOIN tenants AS t ON t.id = b.tenant_id
    JOIN unnest($1::uuid[], $2::text[]) AS w (tenant_id, code)
      ON b.tenant_id = w.tenant_id AND b.code = w.code
    ORDER BY b.id
    FOR SHARE OF b
"""

FIND_TENANTS = """
    SELECT id, is_enabled FROM tenants WHERE id = ANY ($1::uuid[])
"""

# OFFSET 0: stretch by stretch through the primary key. Left to choose, Postgres reads the whole table.
FIND_REJECTIONS = """
    SELECT found.*
    FROM unnest($1::text[], $2::integer[], $3::bigint[], $4::bigint[]) AS p (topic, partition, first, last)
    CROSS JOIN LATERAL (
        SELECT r.topic, r.partition, r."offset", r.timestamp_ms, r.reason, r.detail
        FROM rejected_requests AS r
        WHERE r.topic = p.topic AND r.partition = p.partition AND r."offset" BETWEEN p.first AND p.last
        OFFSET 0
    ) AS found
"""

INSERT_AWARDS = """
    INSERT INTO awards
        (tenant_id, participant_id, badge_id, earned_at, metadata, request_id, source, topic, partition, "offset")
    SELECT tenant_id, participant_id, badge_id, earned_at, CAST(metadata AS jsonb),
           request_id, source, topic, partition, "offset"
    FROM unnest(
        $1::uuid[], $2::text[], $3::uuid[], $4::timestamptz[], $5::text[],
        $6::text[], $7::text[], $8::text[], $9::integer[], $10::bigint[]
    ) AS n (tenant_id, participant_id, badge_id, earned_at, metadata, request_id, source, topic, partition, "offset")
    ON CONFLICT ON CONSTRAINT pk_awards DO NOTHING
    RETURNING tenant_id, participant_id, badge_id
"""

FIND_AWARDS = """
    SELECT a.tenant_id, a.participant_id, a.badge_id, a.earned_at, a.metadata, a.request_id, a.source
    FROM awards AS a
    JOIN unnest($1::uuid[], $2::text[], $3::uuid[]) AS w (tenant_id, participant_id, badge_id)
      USING (tenant_id, participant_id, badge_id)
"""

INSERT_REJECTIONS = """
    INSERT INTO rejected_requests
        (topic, partition, "offset", timestamp_ms, reason, detail, tenant_id, participant_id,
         badge_code, request_id)
    SELECT * FROM unnest(
        $1::text[], $2::integer[], $3::bigint[], $4::bigint[], $5::text[],
        $6::text[], $7::uuid[], $8::text[], $9::text[], $10::text[]
    )
    ON CONFLICT ON CONSTRAINT pk_rejected_requests DO NOTHING
    RETURNING topic, partition, "offset", timestamp_ms
"""

OUTBOX_CHANNEL = "badges_outbox"

ENQUEUE = """
    WITH queued AS (
        INSERT INTO outbox (payload, message_count) VALUES ($1, $2) RETURNING id
    )
    SELECT id, pg_notify($3, '') FROM queued
"""
