-- SPDX-License-Identifier: MIT
-- Lanes of outbox_events that are delivered exactly once. How far each has come stands in Kafka alone; that it
-- has come anywhere stands here, so that a lane whose position is lost is not taken for a new one.
CREATE TABLE outbox_lanes (
    lane     smallint    PRIMARY KEY,
    began_at timestamptz NOT NULL DEFAULT now()
);
