package dev.pinflow.connect.s3;

import java.time.Instant;
import java.time.LocalDate;
import java.time.ZoneId;

/** When the open objects of a topic partition are stored; the rules and their order are Confluent's. */
final class RotationRules {
  private final int flushSize;
  private final long intervalMs;
  private final long scheduleMs;
  private final ZoneId zone;

  RotationRules(SinkConfig config) {
    flushSize = config.getInt(SinkConfig.FLUSH_SIZE);
    intervalMs = config.timeBased() ? config.getLong(SinkConfig.ROTATE_INTERVAL) : -1;
    scheduleMs = config.getLong(SinkConfig.ROTATE_SCHEDULE);
    zone = config.zone();
  }

  boolean isFull(Rotation rotation) {
    return rotation.count() >= flushSize;
  }

  /** Whether a record may not join: it is too late by its own time, or goes elsewhere while times count. */
  boolean endsBefore(Rotation rotation, Partitioner.Place next) {
    return intervalMs > 0 && (next.timestampMs() - rotation.baseTimestampMs() >= intervalMs
        || !next.path().equals(rotation.lastPath()));
  }

  boolean isDue(Rotation rotation, long nowMs) {
    return nowMs >= rotation.deadlineMs();
  }

  /** The next multiple of the schedule, counted from midnight; never when there is no schedule. */
  long deadline(long nowMs) {
    if (scheduleMs <= 0) {
      return Long.MAX_VALUE;
    }
    LocalDate today = LocalDate.ofInstant(Instant.ofEpochMilli(nowMs), zone);
    long midnight = today.atStartOfDay(zone).toInstant().toEpochMilli();
    return midnight + ((nowMs - midnight) / scheduleMs + 1) * scheduleMs;
  }
}
