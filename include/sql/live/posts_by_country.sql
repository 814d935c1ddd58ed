-- Countries by posts in the last ten minutes of arrivals
-- order by: country_rank, country
SELECT window_start, window_end, country, posts, country_rank, last_seen
FROM live.posts_by_country
WHERE window_start = (SELECT max(window_start) - INTERVAL 9 MINUTES FROM live.windows)
  AND slot >= (SELECT max(slot) - INTERVAL 20 MINUTES FROM live.windows)
