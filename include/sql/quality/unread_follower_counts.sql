-- Follower counts that could not be read as a number and became null.
-- severity: warn
SELECT coalesce(sum(follower_warnings), 0) AS failures, min(concat(batch_id, ' ', table_name)) AS example
FROM ops.batch_audit
WHERE follower_warnings > 0
