-- In each batch run the landed lines are the clean rows, the duplicates and the quarantined lines together.
-- severity: error
SELECT count(*) AS failures, min(concat(batch_id, ' ', table_name)) AS example
FROM ops.batch_audit
WHERE NOT coalesce(landed = clean + duplicates + quarantined, false)
