-- The exact median follower count of the users who joined in each year (UTC), 2015 to 2020.
-- order by: join_year
WITH users AS (
    SELECT DISTINCT
        user.user_name,
        user.age,
        user.date_joined,
        pin.follower_count,
        year(to_utc_timestamp(user.date_joined, current_timezone())) AS join_year
    FROM silver.pin AS pin
    JOIN silver.user AS user ON user.ind = pin.ind
    WHERE pin.follower_count IS NOT NULL
)
SELECT join_year, percentile(follower_count, 0.5) AS median_follower_count
FROM users
WHERE join_year BETWEEN 2015 AND 2020
GROUP BY join_year
