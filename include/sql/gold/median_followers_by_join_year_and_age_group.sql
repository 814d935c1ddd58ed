-- The exact median follower count of the users of each age group who joined in each year (UTC), 2015 to 2020.
-- order by: join_year, age_group
WITH users AS (
    SELECT DISTINCT
        user.user_name,
        user.age,
        user.date_joined,
        pin.follower_count,
        year(to_utc_timestamp(user.date_joined, current_timezone())) AS join_year,
        CASE
            WHEN user.age BETWEEN 18 AND 24 THEN '18-24'
            WHEN user.age BETWEEN 25 AND 35 THEN '25-35'
            WHEN user.age BETWEEN 36 AND 50 THEN '36-50'
            WHEN user.age >= 51 THEN '+50'
        END AS age_group
    FROM silver.pin AS pin
    JOIN silver.user AS user ON user.ind = pin.ind
    WHERE pin.follower_count IS NOT NULL
)
SELECT join_year, age_group, percentile(follower_count, 0.5) AS median_follower_count
FROM users
WHERE join_year BETWEEN 2015 AND 2020 AND age_group IS NOT NULL
GROUP BY join_year, age_group
