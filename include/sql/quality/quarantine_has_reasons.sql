-- Each quarantined line has one of the nine reasons, its text and its object.
-- severity: error
SELECT count(*) AS failures, min(concat_ws(' ', table_name, reason, source_file)) AS example
FROM quarantine.records
WHERE raw IS NULL
    OR source_file IS NULL
    OR NOT coalesce(
        reason IN (
            'not_json', 'not_an_object', 'wrong_topic', 'missing_fields', 'missing_key',
            'bad_key', 'bad_timestamp', 'bad_coordinates', 'bad_age'
        ),
        false
    )
