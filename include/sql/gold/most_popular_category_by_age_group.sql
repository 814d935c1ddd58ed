-- The most popular category of each age group of the users; all that tie for the first place are returned.
-- order by: age_group, category_count DESC, category
WITH posts AS (
    SELECT
        pin.category,
        CASE
            WHEN user.age BETWEEN 18 AND 24 THEN '18-24'
            WHEN user.age BETWEEN 25 AND 35 THEN '25-35'
            WHEN user.age BETWEEN 36 AND 50 THEN '36-50'
            WHEN user.age >= 51 THEN '+50'
        END AS age_group
    FROM silver.pin AS pin
    JOIN silver.user AS user ON user.ind = pin.ind
    WHERE pin.category IS NOT NULL
),
counted AS (
    SELECT age_group, category, count(*) AS category_count
    FROM posts
    WHERE age_group IS NOT NULL
    GROUP BY age_group, category
),
ranked AS (
    SELECT *, rank() OVER (PARTITION BY age_group ORDER BY category_count DESC) AS place
    FROM counted
)
SELECT age_group, category, category_count
FROM ranked
WHERE place = 1
