-- Rows whose post is not in both other tables; the joins of the answers leave them out.
-- severity: warn
WITH keys AS (
    SELECT 'pin' AS table_name, ind FROM silver.pin
    UNION ALL
    SELECT 'geo', ind FROM silver.geo
    UNION ALL
    SELECT 'user', ind FROM silver.user
),
lonely AS (
    SELECT *, count(*) OVER (PARTITION BY ind) AS tables_found
    FROM keys
)
SELECT count(*) AS failures, min(concat(table_name, ' ', ind)) AS example
FROM lonely
WHERE tables_found < 3
