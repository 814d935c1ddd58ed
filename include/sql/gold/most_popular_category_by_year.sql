-- The most popular category of each post year (UTC), 2018 to 2022; all that tie for the first place are returned.
-- order by: post_year, category_count DESC, category
WITH posts AS (
    SELECT year(to_utc_timestamp(geo.timestamp, current_timezone())) AS post_year, pin.category
    FROM silver.pin AS pin
    JOIN silver.geo AS geo ON geo.ind = pin.ind
    WHERE pin.category IS NOT NULL
),
counted AS (
    SELECT post_year, category, count(*) AS category_count
    FROM posts
    WHERE post_year BETWEEN 2018 AND 2022
    GROUP BY post_year, category
),
ranked AS (
    SELECT *, rank() OVER (PARTITION BY post_year ORDER BY category_count DESC) AS place
    FROM counted
)
SELECT post_year, category, category_count
FROM ranked
WHERE place = 1
