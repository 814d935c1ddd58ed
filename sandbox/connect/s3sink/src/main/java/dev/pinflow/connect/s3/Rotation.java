package dev.pinflow.connect.s3;

import java.io.ByteArrayOutputStream;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.Map;

/** Consecutive records of one topic partition that are stored together: one object for each path they have. */
final class Rotation {
  /** An object in the making; it is named after the offset of its first record. */
  record OpenObject(String path, long startOffset, ByteArrayOutputStream lines) {}

  private final Map<String, OpenObject> objects = new LinkedHashMap<>();
  private final long startOffset;
  private final long baseTimestampMs;
  private final long deadlineMs;
  private long nextOffset;
  private String lastPath;
  private int count;
  private long bytes;

  Rotation(long startOffset, Partitioner.Place first, long deadlineMs) {
    this.startOffset = startOffset;
    this.nextOffset = startOffset;
    this.baseTimestampMs = first.timestampMs();
    this.lastPath = first.path();
    this.deadlineMs = deadlineMs;
  }

  void add(long offset, Partitioner.Place place, byte[] line) {
    OpenObject object = objects.computeIfAbsent(place.path(),
        path -> new OpenObject(path, offset, new ByteArrayOutputStream(1024)));
    object.lines().writeBytes(line);
    object.lines().write('\n');
    lastPath = place.path();
    nextOffset = offset + 1;
    bytes += line.length + 1;
    count++;
  }

  /** The objects not yet stored; whoever stores one removes it. */
  Iterator<OpenObject> objects() {
    return objects.values().iterator();
  }

  long startOffset() {
    return startOffset;
  }

  /** The offset after the last record. */
  long nextOffset() {
    return nextOffset;
  }

  long baseTimestampMs() {
    return baseTimestampMs;
  }

  long deadlineMs() {
    return deadlineMs;
  }

  String lastPath() {
    return lastPath;
  }

  int count() {
    return count;
  }

  long bytes() {
    return bytes;
  }
}
