-- How many users joined in each year (UTC), 2015 to 2020. A user is one name, age and joining date, not a post.
-- order by: join_year
WITH users AS (
    SELECT DISTINCT
        user_name,
        age,
        date_joined,
        year(to_utc_timestamp(date_joined, current_timezone())) AS join_year
    FROM silver.user
)
SELECT join_year, count(*) AS number_users_joined
FROM users
WHERE join_year BETWEEN 2015 AND 2020
GROUP BY join_year
