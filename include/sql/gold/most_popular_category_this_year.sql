-- The most popular category from 1 January (UTC) of the year of "as of" up to that moment; all that tie for the first place are returned.
-- "As of" is the latest post where no moment is given: the data end in 2022, so the wall clock would give an empty answer.
-- order by: post_year, category_count DESC, category
-- parameters: as_of
WITH posts AS (
    SELECT
        geo.timestamp,
        year(to_utc_timestamp(geo.timestamp, current_timezone())) AS post_year,
        pin.category
    FROM silver.pin AS pin
    JOIN silver.geo AS geo ON geo.ind = pin.ind
),
moment AS (
    SELECT coalesce(CAST(nullif(:as_of, '') AS TIMESTAMP), max(timestamp)) AS as_of
    FROM posts
),
counted AS (
    SELECT posts.post_year, posts.category, count(*) AS category_count, moment.as_of
    FROM posts
    CROSS JOIN moment
    WHERE posts.category IS NOT NULL
        AND posts.timestamp <= moment.as_of
        AND posts.post_year = year(to_utc_timestamp(moment.as_of, current_timezone()))
    GROUP BY posts.post_year, posts.category, moment.as_of
),
ranked AS (
    SELECT *, rank() OVER (ORDER BY category_count DESC) AS place
    FROM counted
)
SELECT post_year, category, category_count, as_of
FROM ranked
WHERE place = 1
