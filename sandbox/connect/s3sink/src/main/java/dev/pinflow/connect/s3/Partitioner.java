package dev.pinflow.connect.s3;

import java.util.function.LongSupplier;
import org.apache.kafka.connect.errors.DataException;
import org.apache.kafka.connect.sink.SinkRecord;

/** Decides under which folder of its topic a record lands. */
interface Partitioner {
  /** Where a record lands; {@code timestampMs} is 0 where times don't matter. */
  record Place(String path, long timestampMs) {}

  /** @throws DataException the record lacks what decides its folder */
  Place place(SinkRecord record);

  static Partitioner of(SinkConfig config, LongSupplier clock) {
    if (!config.timeBased()) {
      return record -> new Place("partition=" + record.kafkaPartition(), 0);
    }
    PathFormat format = new PathFormat(config.getString(SinkConfig.PATH_FORMAT), config.locale(), config.zone(),
        config.getLong(SinkConfig.PARTITION_DURATION));
    boolean wallclock = config.getString(SinkConfig.TIMESTAMP_EXTRACTOR).equals("Wallclock");
    return record -> {
      long timestamp = wallclock ? clock.getAsLong() : recordTime(record);
      return new Place(format.encode(timestamp), timestamp);
    };
  }

  private static long recordTime(SinkRecord record) {
    Long timestamp = record.timestamp();
    if (timestamp == null || timestamp < 0) {
      throw new DataException("The record " + record.topic() + "-" + record.kafkaPartition() + "@" + record.kafkaOffset()
          + " has no timestamp, so no folder by time can be chosen for it. Produce it with a timestamp.");
    }
    return timestamp;
  }
}
