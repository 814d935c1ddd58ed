-- Ages are 0 to 130 or missing.
-- severity: error
SELECT count(*) AS failures, CAST(min(ind) AS STRING) AS example
FROM silver.user
WHERE age NOT BETWEEN 0 AND 130
