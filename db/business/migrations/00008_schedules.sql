-- Locks: none but those of a new table; segments is referred to by it.
-- +goose Up

-- Campaigns that come again. The row is the truth, and Temporal's schedule follows it: synced_version is the
-- version that it is known to have.
CREATE TABLE campaign_schedules (
    schedule_id      uuid PRIMARY KEY,
    -- NULL once it is deleted: then it holds no segment back.
    segment_id       uuid REFERENCES segments (segment_id),
    -- What each occurrence is, as campaign.Plan, and when, as campaign.Recurrence.
    plan             jsonb        NOT NULL,
    recurrence       jsonb        NOT NULL,
    paused           boolean      NOT NULL DEFAULT false,
    -- A deleted one stays until Temporal has deleted its own.
    deleted          boolean      NOT NULL DEFAULT false,
    version          integer      NOT NULL DEFAULT 1,
    synced_version   integer      NOT NULL DEFAULT 0,
    -- The last occurrence, and what became of it: a campaign, or the reason why there is none.
    last_at          timestamptz,
    last_campaign_id uuid,
    last_error       text,
    created_by       varchar(255) NOT NULL,
    created_at       timestamptz  NOT NULL DEFAULT now(),
    updated_at       timestamptz  NOT NULL DEFAULT now()
);
CREATE INDEX campaign_schedules_created_at_idx ON campaign_schedules (created_at DESC, schedule_id);
CREATE INDEX campaign_schedules_segment_idx ON campaign_schedules (segment_id);
CREATE INDEX campaign_schedules_unsynced_idx ON campaign_schedules (updated_at) WHERE synced_version < version;

-- +goose Down
DROP TABLE campaign_schedules;
