-- The exact median follower count of the users of each age group; each user counts once (once a count, where a user has two).
-- order by: age_group
WITH users AS (
    SELECT DISTINCT
        user.user_name,
        user.age,
        user.date_joined,
        pin.follower_count,
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
SELECT age_group, percentile(follower_count, 0.5) AS median_follower_count
FROM users
WHERE age_group IS NOT NULL
GROUP BY age_group
