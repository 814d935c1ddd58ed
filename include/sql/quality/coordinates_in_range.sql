-- Coordinates are [latitude, longitude] within -90 to 90 and -180 to 180, or missing as a whole.
-- severity: error
SELECT count(*) AS failures, CAST(min(ind) AS STRING) AS example
FROM silver.geo
WHERE coordinates IS NOT NULL
    AND NOT coalesce(
        size(coordinates) = 2
        AND get(coordinates, 0) BETWEEN -90 AND 90
        AND get(coordinates, 1) BETWEEN -180 AND 180,
        false
    )
