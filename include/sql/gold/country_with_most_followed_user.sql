-- The country of the most followed poster of all; more than one row when posters tie.
-- order by: follower_count DESC, country, poster_name
WITH posters AS (
    SELECT geo.country, pin.poster_name, max(pin.follower_count) AS follower_count
    FROM silver.pin AS pin
    JOIN silver.geo AS geo ON geo.ind = pin.ind
    WHERE geo.country IS NOT NULL AND pin.poster_name IS NOT NULL AND pin.follower_count IS NOT NULL
    GROUP BY geo.country, pin.poster_name
),
ranked AS (
    SELECT *, rank() OVER (ORDER BY follower_count DESC) AS place
    FROM posters
)
SELECT country, poster_name, follower_count
FROM ranked
WHERE place = 1
