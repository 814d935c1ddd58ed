-- The most popular category among the posts of each country; all that tie for the first place are returned.
-- order by: country, category_count DESC, category
WITH counted AS (
    SELECT geo.country, pin.category, count(*) AS category_count
    FROM silver.pin AS pin
    JOIN silver.geo AS geo ON geo.ind = pin.ind
    WHERE geo.country IS NOT NULL AND pin.category IS NOT NULL
    GROUP BY geo.country, pin.category
),
ranked AS (
    SELECT *, rank() OVER (PARTITION BY country ORDER BY category_count DESC) AS place
    FROM counted
)
SELECT country, category, category_count
FROM ranked
WHERE place = 1
