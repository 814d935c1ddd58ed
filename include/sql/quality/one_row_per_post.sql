-- Each post is once in each silver table. Counted are the rows too many.
-- severity: error
WITH copies AS (
    SELECT 'pin' AS table_name, ind, count(*) AS rows_found FROM silver.pin GROUP BY ind
    UNION ALL
    SELECT 'geo', ind, count(*) FROM silver.geo GROUP BY ind
    UNION ALL
    SELECT 'user', ind, count(*) FROM silver.user GROUP BY ind
)
SELECT coalesce(sum(rows_found - 1), 0) AS failures, min(concat(table_name, ' ', ind)) AS example
FROM copies
WHERE rows_found > 1
