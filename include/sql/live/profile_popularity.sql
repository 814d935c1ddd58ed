-- Posters by posts in the last ten minutes of arrivals, ranked by posts, then followers
-- order by: popularity_rank, poster_name
SELECT window_start, window_end, poster_name, posts, follower_count, popularity_rank, last_seen
FROM live.profile_popularity
WHERE window_start = (SELECT max(window_start) - INTERVAL 9 MINUTES FROM live.windows)
  AND slot >= (SELECT max(slot) - INTERVAL 20 MINUTES FROM live.windows)
