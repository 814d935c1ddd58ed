-- Each place has the time of its post and each user a joining date: what cannot be read is in quarantine.
-- severity: error
WITH times AS (
    SELECT 'geo' AS table_name, ind, timestamp AS moment FROM silver.geo
    UNION ALL
    SELECT 'user', ind, date_joined FROM silver.user
)
SELECT count(*) AS failures, min(concat(table_name, ' ', ind)) AS example
FROM times
WHERE moment IS NULL
