-- Fields that no table knows; they were ignored.
-- severity: warn
SELECT coalesce(sum(extra_fields), 0) AS failures, min(concat(batch_id, ' ', table_name)) AS example
FROM ops.batch_audit
WHERE extra_fields > 0
