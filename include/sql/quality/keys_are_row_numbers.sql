-- Each silver row has a key, a whole number from 0.
-- severity: error
WITH keys AS (
    SELECT 'pin' AS table_name, ind FROM silver.pin
    UNION ALL
    SELECT 'geo', ind FROM silver.geo
    UNION ALL
    SELECT 'user', ind FROM silver.user
)
SELECT count(*) AS failures, min(concat(table_name, ' ', coalesce(CAST(ind AS STRING), 'without key'))) AS example
FROM keys
WHERE ind IS NULL OR ind < 0
