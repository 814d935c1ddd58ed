package dev.pinflow.connect.s3;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.stream.LongStream;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.connect.errors.RetriableException;
import org.apache.kafka.connect.sink.SinkRecord;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Plays Connect around the task: batches, idle calls, asynchronous commits, outages, and kills at any moment, also
 * between two objects of a rotation. However it goes, in the end each offset is in the store exactly once.
 */
class CrashTest {
  private static final int RECORDS = 400;
  private static final int KILLS = 12;

  private static final class Killed extends RuntimeException {}

  private final Given.Store store = new Given.Store();
  private long now;
  private long committed;

  static LongStream seeds() {
    return LongStream.range(0, 60);
  }

  @ParameterizedTest
  @MethodSource("seeds")
  void eachOffsetOnce(long seed) {
    Random random = new Random(seed);
    List<SinkRecord> log = LongStream.range(0, RECORDS)
        .mapToObj(offset -> Given.record(offset, Given.FIVE_O_CLOCK + random.nextInt(4) * Given.HOUR)).toList();
    String[] changes = {"flush.size", String.valueOf(5 + random.nextInt(60)), "rotate.schedule.interval.ms", "100"};
    for (int life = 0; life < KILLS; life++) {
      live(random, log, changes, 3 + random.nextInt(40));
    }
    store.failure = null;
    live(new Random(seed), log, changes, Integer.MAX_VALUE);
    assertEquals(RECORDS, committed);
    assertEquals(LongStream.range(0, RECORDS).boxed().toList(), offsets());
  }

  /** One life of a worker: from the committed offset, until it is killed or everything is committed. */
  private void live(Random random, List<SinkRecord> log, String[] changes, int steps) {
    Given.Context context = new Given.Context();
    S3SinkTask task = new S3SinkTask(() -> now, config -> store, 1 << 20);
    task.initialize(context);
    task.start(Given.settings(changes));
    task.open(List.of(Given.PIN_0));
    int consumed = (int) committed;
    long underway = -1;
    List<SinkRecord> batch = List.of();
    for (int step = 0; step < steps && committed < RECORDS; step++) {
      if (underway >= 0) {
        committed = underway;
        underway = -1;
      }
      if (context.commitRequested || random.nextInt(5) == 0) {
        context.commitRequested = false;
        underway = task.preCommit(Map.of(Given.PIN_0, new OffsetAndMetadata(consumed))).get(Given.PIN_0).offset();
      }
      now += random.nextInt(60);
      if (batch.isEmpty() && random.nextInt(3) > 0) {
        batch = log.subList(consumed, Math.min(RECORDS, consumed + random.nextInt(50)));
      }
      trouble(random, steps < Integer.MAX_VALUE);
      try {
        task.put(batch);
        consumed += batch.size();
        batch = List.of();
      } catch (RetriableException again) {
        continue;
      } catch (Killed killed) {
        return;
      }
    }
  }

  private void trouble(Random random, boolean wanted) {
    int dice = random.nextInt(12);
    store.failure = !wanted || dice > 3 ? null
        : dice == 0 ? new Killed() : new ObjectStore.UnavailableException("away", null);
    store.failAfter = random.nextInt(4);
  }

  private List<Long> offsets() {
    List<Long> found = new ArrayList<>();
    store.objects.values().forEach(content -> new String(content, StandardCharsets.UTF_8).lines()
        .forEach(line -> found.add(Long.valueOf(line.replaceAll("\\D", "")))));
    return found.stream().sorted().toList();
  }
}
