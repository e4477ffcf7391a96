-- name: ListCampaignsAfter :many
-- The position is (created_at, campaign_id) in an order that falls in the one and rises in the other,
-- which no row comparison expresses; the first condition is what the index is entered by.
SELECT sqlc.embed(campaigns), sqlc.embed(campaign_stats)
FROM campaigns JOIN campaign_stats USING (campaign_id)
WHERE campaigns.created_at <= @created_at
  AND (campaigns.created_at < @created_at OR campaigns.campaign_id > @after_id)
ORDER BY campaigns.created_at DESC, campaigns.campaign_id
LIMIT sqlc.arg(n)::int;

-- name: ListSegmentsAfter :many
SELECT * FROM segments
WHERE created_at <= @created_at AND (created_at < @created_at OR segment_id > @after_id)
ORDER BY created_at DESC, segment_id
LIMIT sqlc.arg(n)::int;
