package dev.pinflow.connect.s3;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.time.Instant;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class RotationRulesTest {
  private static final Partitioner.Place FIRST = new Partitioner.Place("hour=05", Given.FIVE_O_CLOCK);

  private static Rotation rotation(long deadline) {
    Rotation rotation = new Rotation(0, FIRST, deadline);
    rotation.add(0, FIRST, new byte[] {'1'});
    return rotation;
  }

  private static boolean ends(String interval, String path, long afterMs) {
    RotationRules rules = new RotationRules(Given.config("rotate.interval.ms", interval));
    return rules.endsBefore(rotation(0), new Partitioner.Place(path, Given.FIVE_O_CLOCK + afterMs));
  }

  @Test
  void fullAtFlushSize() {
    RotationRules rules = new RotationRules(Given.config("flush.size", "2"));
    Rotation rotation = rotation(0);
    assertFalse(rules.isFull(rotation));
    rotation.add(1, new Partitioner.Place("hour=06", 0), new byte[] {'2'});
    assertTrue(rules.isFull(rotation), "records of all paths count together");
  }

  @Test
  void endsAtTheSpanOfRecordTime() {
    assertFalse(ends("1000", "hour=05", 999));
    assertTrue(ends("1000", "hour=05", 1000));
    assertFalse(ends("1000", "hour=05", -5000), "an older record joins");
  }

  @Test
  void changeOfPathEndsOnlyWithAnInterval() {
    assertTrue(ends("1000", "hour=06", 1));
    assertFalse(ends("-1", "hour=06", Given.HOUR));
  }

  @Test
  void intervalIsIgnoredWithoutTimes() {
    RotationRules rules = new RotationRules(Given.config("partitioner.class", "DefaultPartitioner", "rotate.interval.ms", "1"));
    assertFalse(rules.endsBefore(rotation(0), new Partitioner.Place("partition=0", Long.MAX_VALUE)));
  }

  @ParameterizedTest
  @CsvSource({
    "UTC, 10000, 2022-03-01T05:00:03Z, 2022-03-01T05:00:10Z",
    "UTC, 10000, 2022-03-01T05:00:10Z, 2022-03-01T05:00:20Z",
    "UTC, 86400000, 2022-03-01T05:00:00Z, 2022-03-02T00:00:00Z",
    "America/New_York, 86400000, 2022-03-01T02:00:00Z, 2022-03-01T05:00:00Z",
  })
  void scheduleCountsFromMidnight(String zone, String interval, String now, String deadline) {
    RotationRules rules = new RotationRules(Given.config("timezone", zone, "rotate.schedule.interval.ms", interval));
    assertEquals(Instant.parse(deadline).toEpochMilli(), rules.deadline(Instant.parse(now).toEpochMilli()));
  }

  @Test
  void dueAtTheDeadlineAndNeverWithoutASchedule() {
    RotationRules rules = new RotationRules(Given.config());
    assertFalse(rules.isDue(rotation(100), 99));
    assertTrue(rules.isDue(rotation(100), 100));
    assertEquals(Long.MAX_VALUE, rules.deadline(5));
  }
}
