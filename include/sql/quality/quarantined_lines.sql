-- Lines in quarantine: they broke the contract of their topic and are in no answer.
-- severity: warn
SELECT count(*) AS failures, min(concat_ws(' ', table_name, reason, source_file)) AS example
FROM quarantine.records
