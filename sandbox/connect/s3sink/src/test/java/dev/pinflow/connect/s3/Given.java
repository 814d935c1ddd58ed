package dev.pinflow.connect.s3;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Future;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.metrics.PluginMetrics;
import org.apache.kafka.common.record.TimestampType;
import org.apache.kafka.connect.sink.ErrantRecordReporter;
import org.apache.kafka.connect.sink.SinkRecord;
import org.apache.kafka.connect.sink.SinkTaskContext;

/** What the tests start from: settings, records, and the two things around a task that they watch. */
final class Given {
  static final TopicPartition PIN_0 = new TopicPartition("pin", 0);
  /** 2022-03-01T05:00:00Z. */
  static final long FIVE_O_CLOCK = 1_646_110_800_000L;
  static final long HOUR = 3_600_000L;

  private Given() {}

  static Map<String, String> settings(String... changes) {
    Map<String, String> settings = new HashMap<>(Map.of(
        "s3.bucket.name", "landing", "flush.size", "3", "format.class", "io.confluent.connect.s3.format.json.JsonFormat",
        "partitioner.class", "io.confluent.connect.storage.partitioner.TimeBasedPartitioner",
        "path.format", "'year'=YYYY/'month'=MM/'day'=dd/'hour'=HH", "partition.duration.ms", "3600000",
        "locale", "en-US", "timezone", "UTC", "timestamp.extractor", "Record"));
    for (int i = 0; i < changes.length; i += 2) {
      if (changes[i + 1] == null) {
        settings.remove(changes[i]);
      } else {
        settings.put(changes[i], changes[i + 1]);
      }
    }
    return settings;
  }

  static SinkConfig config(String... changes) {
    return new SinkConfig(settings(changes));
  }

  static SinkRecord record(TopicPartition partition, long offset, Long timestamp, Object value) {
    return new SinkRecord(partition.topic(), partition.partition(), null, String.valueOf(offset), null, value, offset,
        timestamp, TimestampType.CREATE_TIME);
  }

  /** A record whose value names its offset. */
  static SinkRecord record(long offset, long timestamp) {
    return record(PIN_0, offset, timestamp, Map.of("offset", offset));
  }

  /** Keeps objects in memory; fails as often as it is told to. */
  static final class Store implements ObjectStore {
    final Map<String, byte[]> objects = new LinkedHashMap<>();
    final List<String> puts = new ArrayList<>();
    RuntimeException failure;
    int failAfter;

    @Override
    public void put(String name, byte[] content) {
      if (failure != null && failAfter-- <= 0) {
        throw failure;
      }
      puts.add(name);
      objects.put(name, content);
    }
  }

  /** Remembers what a task asked of Connect. */
  static final class Context implements SinkTaskContext {
    final Set<TopicPartition> paused = new HashSet<>();
    final List<SinkRecord> reported = new ArrayList<>();
    boolean reporting = true;
    boolean commitRequested;
    long timeout = -1;

    @Override
    public Map<String, String> configs() {
      return Map.of();
    }

    @Override
    public void offset(Map<TopicPartition, Long> offsets) {
      throw new UnsupportedOperationException("the sink never rewinds");
    }

    @Override
    public void offset(TopicPartition partition, long offset) {
      throw new UnsupportedOperationException("the sink never rewinds");
    }

    @Override
    public void timeout(long timeoutMs) {
      timeout = timeoutMs;
    }

    @Override
    public Set<TopicPartition> assignment() {
      return Set.of();
    }

    @Override
    public void pause(TopicPartition... partitions) {
      paused.addAll(List.of(partitions));
    }

    @Override
    public void resume(TopicPartition... partitions) {
      List.of(partitions).forEach(paused::remove);
    }

    @Override
    public void requestCommit() {
      commitRequested = true;
    }

    @Override
    public ErrantRecordReporter errantRecordReporter() {
      return reporting ? this::report : null;
    }

    private Future<Void> report(SinkRecord record, Throwable error) {
      reported.add(record);
      return CompletableFuture.completedFuture(null);
    }

    @Override
    public PluginMetrics pluginMetrics() {
      return null;
    }
  }
}
