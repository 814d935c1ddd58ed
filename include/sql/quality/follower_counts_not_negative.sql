-- Follower counts are 0 or more, or missing.
-- severity: error
SELECT count(*) AS failures, CAST(min(ind) AS STRING) AS example
FROM silver.pin
WHERE follower_count < 0
