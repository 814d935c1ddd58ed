"""Which rows are drawn, and when posts are due."""

from __future__ import annotations

from datetime import UTC, date, datetime
from itertools import islice, pairwise
from random import Random

import pytest

from emulator.post.pacing import Backoff, Pacer
from emulator.post.sampling import offsets, timestamps

CLASSIC = [7528, 2863, 5730, 8304, 8731, 1313, 4315, 10794, 5494, 5069, 2923, 3089]
DAY_MS = 86_400_000


class TestOffsets:
    @pytest.mark.parametrize("rows", [11_000, 11_101, 11_154])
    def test_the_published_sequence(self, rows: int) -> None:
        assert list(offsets(rows, 12, 100)) == CLASSIC

    def test_a_thousand_posts_hold_about_4_percent_repeats(self) -> None:
        drawn = list(offsets(11_000, 1_000, 100))
        assert len(drawn) - len(set(drawn)) == pytest.approx(43, abs=15)

    def test_the_offset_beyond_the_table_is_drawn_again(self) -> None:
        beyond, within = list(offsets(11_001, 60_000, 4)), list(offsets(11_000, 60_000, 4))
        assert 11_000 in beyond
        assert 11_000 not in within
        skipped = [offset for offset in beyond if offset != 11_000]
        assert within[: len(skipped)] == skipped

    @pytest.mark.parametrize("rows", [1, 2, 300, 10_999, 11_201, 1_000_000])
    def test_other_tables_are_drawn_from_whole(self, rows: int) -> None:
        random = Random(9)
        wanted = [(random.randint(0, 1), random.randint(0, rows - 1))[1] for _ in range(500)]
        assert list(offsets(rows, 500, 9)) == wanted

    def test_it_is_drawn_as_needed(self) -> None:
        assert list(islice(offsets(11_000, 10**12, 100), 3)) == CLASSIC[:3]


class TestTimestamps:
    DAYS = (date(2022, 3, 1), date(2022, 3, 7))
    START = 1_646_092_800_000  # 2022-03-01T00:00:00Z

    @pytest.mark.parametrize("posts", [1, 7, 1_000])
    def test_in_order_over_both_days_ends(self, posts: int) -> None:
        found = list(timestamps(self.DAYS, posts, 1))
        assert len(found) == posts
        assert found == sorted(found)
        assert found[0] >= self.START
        assert found[-1] < self.START + 7 * DAY_MS

    def test_each_day_has_its_part(self) -> None:
        days = [(moment - self.START) // DAY_MS for moment in timestamps(self.DAYS, 700, 1)]
        assert [days.count(day) for day in range(7)] == [100] * 7

    def test_seeded(self) -> None:
        assert list(timestamps(self.DAYS, 50, 1)) == list(timestamps(self.DAYS, 50, 1))
        assert list(timestamps(self.DAYS, 50, 1)) != list(timestamps(self.DAYS, 50, 2))

    def test_today_ends_now(self) -> None:
        now = datetime(2022, 3, 1, 6, tzinfo=UTC)
        found = list(timestamps((date(2022, 3, 1), date(2022, 3, 1)), 60, 1, now))
        assert found[0] >= self.START
        assert self.START + 5.5 * 3_600_000 < found[-1] < self.START + 6 * 3_600_000


class TestPacer:
    def dues(self, pacer: Pacer, posts: int) -> list[float]:
        found = []
        for _ in range(posts):
            found.append(pacer.due)
            pacer.advance()
        return found

    def test_a_rate(self) -> None:
        assert self.dues(Pacer(4, 100.0, 1), 5) == [100.0, 100.25, 100.5, 100.75, 101.0]

    def test_a_rate_does_not_drift(self) -> None:
        assert self.dues(Pacer(3, 0.0, 1), 300_001)[-1] == pytest.approx(100_000, abs=1e-6)

    def test_no_rate(self) -> None:
        assert self.dues(Pacer(None, 5.0, 1), 3) == [5.0, 5.0, 5.0]

    def test_people_pause_up_to_two_seconds(self) -> None:
        dues = self.dues(Pacer("human", 0.0, 1), 2_001)
        pauses = [later - earlier for earlier, later in pairwise(dues)]
        assert 0 <= min(pauses) < 0.05
        assert 1.95 < max(pauses) <= 2
        assert sum(pauses) / len(pauses) == pytest.approx(1, abs=0.05)
        assert dues == self.dues(Pacer("human", 0.0, 1), 2_001)


class TestBackoff:
    def test_doubles_up_to_a_limit_with_chance(self) -> None:
        backoff = Backoff(1, first=0.1, most=5)
        for attempt, longest in enumerate([0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5, 5], 1):
            found = [backoff.seconds(attempt) for _ in range(200)]
            assert longest / 2 <= min(found)
            assert max(found) <= longest
            assert max(found) - min(found) > longest / 4
