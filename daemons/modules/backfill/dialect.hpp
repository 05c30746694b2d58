// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_MODULES_BACKFILL_DIALECT_HPP
#define RESILIENCE_MODULES_BACKFILL_DIALECT_HPP

namespace resilience::modules::backfill {

/// The statements of a backfill as one database spells them.
struct Dialect {
    /// request -> id, last_seq, max_seq, emitted of the run that has not finished.
    const char* find_run;
    /// request -> nothing; the run ends where the outbox ends now.
    const char* insert_run;
    /// last_seq, emitted, id -> nothing.
    const char* move_run;
    const char* finish_run;
    /// nothing -> seq of the newest row, 0 without one.
    const char* max_seq;
    /// after, max_seq, rows - 1 -> seq that far behind the next row, max_seq at most.
    /// Counts numbers, not rows: to count rows a planner whose statistics are behind
    /// sorts the whole rest of the table.
    const char* look_ahead;
    /// after, up_to, aggregate_type, from, to, limit -> seq, id, aggregate_type,
    /// aggregate_id, event_type, event_data, topic, partition_key, headers.
    const char* select_events;
    /// As select_events -> event_type, number, first and last created_at, and both in a
    /// form that sorts as they do.
    const char* summarise;
};

inline constexpr Dialect postgres_dialect{
    .find_run =
        "SELECT id, last_seq, max_seq, emitted FROM backfill_runs "
        "WHERE request = $1 AND finished_at IS NULL FOR UPDATE",
    .insert_run =
        "INSERT INTO backfill_runs (id, request, max_seq) "
        "SELECT gen_random_uuid(), $1, coalesce(max(seq), 0) FROM outbox_events "
        "ON CONFLICT DO NOTHING",
    .move_run = "UPDATE backfill_runs SET last_seq = $1, emitted = $2 WHERE id = $3",
    .finish_run =
        "UPDATE backfill_runs SET last_seq = $1, emitted = $2, finished_at = now() "
        "WHERE id = $3",
    .max_seq = "SELECT coalesce(max(seq), 0) FROM outbox_events",
    .look_ahead =
        "SELECT coalesce((SELECT least(seq + $3, $2) FROM outbox_events "
        "WHERE seq > $1 AND seq <= $2 ORDER BY seq LIMIT 1), $2)",
    .select_events =
        "SELECT seq, id, aggregate_type, aggregate_id, event_type, event_data, topic, "
        "partition_key, headers FROM outbox_events "
        "WHERE seq > $1 AND seq <= $2 AND aggregate_type = $3 "
        "AND ($4::timestamptz IS NULL OR created_at >= $4::timestamptz) "
        "AND ($5::timestamptz IS NULL OR created_at < $5::timestamptz) "
        "AND NOT headers ? 'backfill-of' ORDER BY seq LIMIT $6",
    .summarise =
        "SELECT event_type, count(*), min(created_at), max(created_at), "
        "min(created_at AT TIME ZONE 'UTC'), max(created_at AT TIME ZONE 'UTC') FROM ("
        "SELECT event_type, created_at FROM outbox_events "
        "WHERE seq > $1 AND seq <= $2 AND aggregate_type = $3 "
        "AND ($4::timestamptz IS NULL OR created_at >= $4::timestamptz) "
        "AND ($5::timestamptz IS NULL OR created_at < $5::timestamptz) "
        "AND NOT headers ? 'backfill-of' ORDER BY seq LIMIT $6) AS chosen "
        "GROUP BY event_type ORDER BY event_type",
};

inline constexpr Dialect sqlite_dialect{
    .find_run =
        "SELECT id, last_seq, max_seq, emitted FROM backfill_runs "
        "WHERE request = ?1 AND finished_at IS NULL",
    .insert_run =
        "INSERT INTO backfill_runs (id, request, max_seq) "
        "SELECT lower(hex(randomblob(16))), ?1, coalesce(max(seq), 0) "
        "FROM outbox_events WHERE true ON CONFLICT DO NOTHING",
    .move_run = "UPDATE backfill_runs SET last_seq = ?1, emitted = ?2 WHERE id = ?3",
    .finish_run =
        "UPDATE backfill_runs SET last_seq = ?1, emitted = ?2, "
        "finished_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now') WHERE id = ?3",
    .max_seq = "SELECT coalesce(max(seq), 0) FROM outbox_events",
    .look_ahead =
        "SELECT coalesce((SELECT min(seq + ?3, ?2) FROM outbox_events "
        "WHERE seq > ?1 AND seq <= ?2 ORDER BY seq LIMIT 1), ?2)",
    .select_events =
        "SELECT seq, id, aggregate_type, aggregate_id, event_type, event_data, topic, "
        "partition_key, headers FROM outbox_events "
        "WHERE seq > ?1 AND seq <= ?2 AND aggregate_type = ?3 "
        "AND (?4 IS NULL OR created_at >= ?4) AND (?5 IS NULL OR created_at < ?5) "
        "AND CASE WHEN json_valid(headers) "
        "THEN json_extract(headers, '$.\"backfill-of\"') END IS NULL ORDER BY seq LIMIT "
        "?6",
    .summarise =
        "SELECT event_type, count(*), min(created_at), max(created_at), min(created_at), "
        "max(created_at) FROM ("
        "SELECT event_type, created_at FROM outbox_events "
        "WHERE seq > ?1 AND seq <= ?2 AND aggregate_type = ?3 "
        "AND (?4 IS NULL OR created_at >= ?4) AND (?5 IS NULL OR created_at < ?5) "
        "AND CASE WHEN json_valid(headers) "
        "THEN json_extract(headers, '$.\"backfill-of\"') END IS NULL ORDER BY seq LIMIT "
        "?6) "
        "GROUP BY event_type ORDER BY event_type",
};

}  // namespace resilience::modules::backfill

#endif
