-- Joining the tables on the post multiplies nothing: over all categories, the counts add up to the posts that have a group.
-- severity: error
WITH counted AS (
    SELECT 'country' AS measure, count(*) AS posts
    FROM silver.pin AS pin
    JOIN silver.geo AS geo ON geo.ind = pin.ind
    WHERE geo.country IS NOT NULL
    UNION ALL
    SELECT 'age group', count(*)
    FROM silver.pin AS pin
    JOIN silver.user AS user ON user.ind = pin.ind
    WHERE user.age >= 18
),
expected AS (
    SELECT 'country' AS measure, count(DISTINCT ind) AS posts
    FROM silver.pin
    WHERE ind IN (SELECT ind FROM silver.geo WHERE country IS NOT NULL)
    UNION ALL
    SELECT 'age group', count(DISTINCT ind)
    FROM silver.pin
    WHERE ind IN (SELECT ind FROM silver.user WHERE age >= 18)
)
SELECT coalesce(sum(abs(counted.posts - expected.posts)), 0) AS failures, min(counted.measure) AS example
FROM counted
JOIN expected ON expected.measure = counted.measure
WHERE counted.posts <> expected.posts
