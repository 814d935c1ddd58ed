package dev.pinflow.connect.s3;

import java.util.Collection;
import java.util.Comparator;
import java.util.HashMap;
import java.util.Iterator;
import java.util.Map;
import java.util.function.Function;
import java.util.function.LongSupplier;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.connect.errors.ConnectException;
import org.apache.kafka.connect.errors.DataException;
import org.apache.kafka.connect.errors.RetriableException;
import org.apache.kafka.connect.sink.SinkRecord;
import org.apache.kafka.connect.sink.SinkTask;

/**
 * Gathers records in memory and stores them rotation by rotation.
 *
 * <p>{@link #put} first takes the whole batch, then stores what is ripe. When S3 is away it says so with a
 * RetriableException for ever; Connect then stops reading and delivers the batch again, which is passed over. Memory
 * is bounded: above {@link #LARGEST_BUFFER} the largest rotation ends early, and reading pauses while that is not enough.
 */
public class S3SinkTask extends SinkTask {
  static final long LARGEST_BUFFER = 32L << 20;
  static final long COMMIT_POLL_MS = 20;

  private final LongSupplier clock;
  private final Function<SinkConfig, ObjectStore> stores;
  private final long largestBuffer;
  private final Map<TopicPartition, PartitionBuffer> buffers = new HashMap<>();
  private SinkConfig config;
  private ObjectStore store;
  private JsonLines format;
  private Partitioner partitioner;
  private RotationRules rules;
  private ObjectNames names;
  private boolean paused;

  public S3SinkTask() {
    this(System::currentTimeMillis, S3ObjectStore::new, LARGEST_BUFFER);
  }

  S3SinkTask(LongSupplier clock, Function<SinkConfig, ObjectStore> stores, long largestBuffer) {
    this.clock = clock;
    this.stores = stores;
    this.largestBuffer = largestBuffer;
  }

  @Override
  public String version() {
    return S3SinkConnector.VERSION;
  }

  @Override
  public void start(Map<String, String> settings) {
    config = new SinkConfig(settings);
    format = new JsonLines(config);
    partitioner = Partitioner.of(config, clock);
    rules = new RotationRules(config);
    names = new ObjectNames(config, format.extension());
    store = stores.apply(config);
  }

  @Override
  public void open(Collection<TopicPartition> partitions) {
    partitions.forEach(partition -> buffers.put(partition, new PartitionBuffer(rules)));
  }

  /** Drops what is not stored: it lies behind the committed offset and will be read again. */
  @Override
  public void close(Collection<TopicPartition> partitions) {
    partitions.forEach(buffers::remove);
  }

  @Override
  public void put(Collection<SinkRecord> records) {
    long now = clock.getAsLong();
    records.forEach(record -> accept(record, now));
    buffers.values().forEach(buffer -> buffer.endIfDue(now));
    endLargest();
    buffers.forEach(this::storeAll);
    pauseOrResume();
    askToBeCalled(now);
  }

  private void accept(SinkRecord record, long now) {
    TopicPartition partition = new TopicPartition(record.originalTopic(), record.originalKafkaPartition());
    PartitionBuffer buffer = buffers.computeIfAbsent(partition, added -> new PartitionBuffer(rules));
    long offset = record.originalKafkaOffset();
    if (!buffer.isNew(offset)) {
      return;
    }
    if (record.value() == null) {
      refuseNull(record);
      buffer.skip(offset);
      return;
    }
    try {
      buffer.add(offset, partitioner.place(record), format.line(record), now);
    } catch (DataException error) {
      deadLetter(record, error);
      buffer.skip(offset);
    }
  }

  private void refuseNull(SinkRecord record) {
    if (!config.ignoresNulls()) {
      throw new ConnectException("The record " + record.topic() + "-" + record.kafkaPartition() + "@" + record.kafkaOffset()
          + " has no value, and " + SinkConfig.ON_NULL + " is fail. Set it to ignore to pass over such records.");
    }
  }

  private void deadLetter(SinkRecord record, DataException error) {
    if (context.errantRecordReporter() == null) {
      throw error;
    }
    context.errantRecordReporter().report(record, error);
  }

  private void endLargest() {
    while (bytes() > largestBuffer) {
      PartitionBuffer largest = buffers.values().stream().max(Comparator.comparingLong(PartitionBuffer::openBytes)).get();
      if (largest.openBytes() == 0) {
        return;
      }
      largest.end();
    }
  }

  private long bytes() {
    return buffers.values().stream().mapToLong(PartitionBuffer::bytes).sum();
  }

  private void storeAll(TopicPartition partition, PartitionBuffer buffer) {
    for (Rotation rotation = buffer.storable(); rotation != null; rotation = buffer.storable()) {
      for (Iterator<Rotation.OpenObject> objects = rotation.objects(); objects.hasNext(); objects.remove()) {
        storeOne(partition, objects.next());
      }
      buffer.stored();
      context.requestCommit();
    }
  }

  private void storeOne(TopicPartition partition, Rotation.OpenObject object) {
    try {
      store.put(names.name(partition, object.path(), object.startOffset()), format.content(object.lines()));
    } catch (ObjectStore.UnavailableException error) {
      context.timeout(config.getLong(SinkConfig.RETRY_BACKOFF));
      throw new RetriableException(error.getMessage(), error);
    } catch (ObjectStore.RefusedException error) {
      throw new ConnectException(error.getMessage(), error);
    }
  }

  private void pauseOrResume() {
    boolean full = bytes() > largestBuffer;
    TopicPartition[] all = buffers.keySet().toArray(TopicPartition[]::new);
    if (full) {
      context.pause(all);
    } else if (paused) {
      context.resume(all);
    }
    paused = full;
  }

  /** An idle topic delivers nothing, so Connect is asked to call when the next rotation is due. */
  private void askToBeCalled(long now) {
    if (buffers.values().stream().anyMatch(PartitionBuffer::waitsForCommit)) {
      context.requestCommit();
      context.timeout(COMMIT_POLL_MS);
      return;
    }
    buffers.values().stream().flatMapToLong(buffer -> buffer.deadline().stream()).min()
        .ifPresent(deadline -> context.timeout(Math.max(1, deadline - now)));
  }

  @Override
  public Map<TopicPartition, OffsetAndMetadata> preCommit(Map<TopicPartition, OffsetAndMetadata> consumed) {
    Map<TopicPartition, OffsetAndMetadata> offsets = new HashMap<>();
    consumed.forEach((partition, offset) -> {
      PartitionBuffer buffer = buffers.get(partition);
      offsets.put(partition, buffer == null ? offset : new OffsetAndMetadata(buffer.committable(offset.offset())));
    });
    return offsets;
  }

  @Override
  public void stop() {
    if (store != null) {
      store.close();
    }
  }
}
