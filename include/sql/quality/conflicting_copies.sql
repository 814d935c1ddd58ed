-- Posts that arrived in copies that differ, within one batch run; the latest arrival won.
-- severity: warn
SELECT coalesce(sum(conflicts), 0) AS failures, min(concat(batch_id, ' ', table_name)) AS example
FROM ops.batch_audit
WHERE conflicts > 0
