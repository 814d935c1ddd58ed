package dev.pinflow.connect.s3;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.time.Instant;
import java.time.ZoneId;
import java.util.Locale;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class PathFormatTest {
  private static final String HOURLY = "'year'=YYYY/'month'=MM/'day'=dd/'hour'=HH";
  private static final long HOUR = 3_600_000;

  private static String encode(String pattern, String zone, long durationMs, String moment) {
    return new PathFormat(pattern, Locale.US, ZoneId.of(zone), durationMs).encode(Instant.parse(moment).toEpochMilli());
  }

  @ParameterizedTest
  @CsvSource({
    "2022-03-01T05:59:59.999Z, year=2022/month=03/day=01/hour=05",
    "2022-03-01T06:00:00Z, year=2022/month=03/day=01/hour=06",
    "2017-10-28T23:00:00Z, year=2017/month=10/day=28/hour=23",
    "2020-02-29T00:00:00Z, year=2020/month=02/day=29/hour=00",
  })
  void hoursInUtc(String moment, String path) {
    assertEquals(path, encode(HOURLY, "UTC", HOUR, moment));
  }

  /** In Java's letters YYYY would say 2022 for the first two: they are in the first week of the next year. */
  @ParameterizedTest
  @CsvSource({"2021-12-31T12:00:00Z, 2021", "2018-12-31T00:00:00Z, 2018", "2022-01-01T00:00:00Z, 2022"})
  void upperCaseYearIsTheCalendars(String moment, String year) {
    assertEquals(year, encode("YYYY", "UTC", HOUR, moment));
  }

  @Test
  void zoneMovesTheFolder() {
    assertEquals("year=2022/month=02/day=28/hour=21", encode(HOURLY, "America/New_York", HOUR, "2022-03-01T02:30:00Z"));
    assertEquals("year=2022/month=07/day=01/hour=01", encode(HOURLY, "Europe/London", HOUR, "2022-07-01T00:30:00Z"));
  }

  @Test
  void durationCutsInLocalTime() {
    long day = 24 * HOUR;
    assertEquals("2022-02-28 00:00", encode("yyyy-MM-dd HH:mm", "America/New_York", day, "2022-03-01T02:30:00Z"));
    assertEquals("2022-03-01 05:45", encode("yyyy-MM-dd HH:mm", "UTC", 15 * 60_000, "2022-03-01T05:59:59Z"));
  }

  @Test
  void namesFollowTheLocale() {
    long march = Instant.parse("2022-03-01T00:00:00Z").toEpochMilli();
    assertEquals("März", new PathFormat("MMMM", Locale.GERMANY, ZoneId.of("UTC"), HOUR).encode(march));
  }

  @Test
  void quotedTextIsLeftAlone() {
    assertEquals("'Year Y'=yyyy", PathFormat.translate("'Year Y'=YYYY"));
  }

  @Test
  void lettersWithAnotherMeaningAreRefused() {
    assertThrows(IllegalArgumentException.class, () -> PathFormat.translate("xxxx-ww"));
  }
}
