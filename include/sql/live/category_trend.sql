-- Categories by posts in the last ten minutes of arrivals
-- order by: trend_rank, category
SELECT window_start, window_end, category, posts, trend_rank, last_seen
FROM live.category_trend
WHERE window_start = (SELECT max(window_start) - INTERVAL 9 MINUTES FROM live.windows)
  AND slot >= (SELECT max(slot) - INTERVAL 20 MINUTES FROM live.windows)
