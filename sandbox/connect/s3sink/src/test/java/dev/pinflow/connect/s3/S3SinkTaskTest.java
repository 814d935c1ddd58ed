package dev.pinflow.connect.s3;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.LongStream;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.connect.errors.ConnectException;
import org.apache.kafka.connect.errors.DataException;
import org.apache.kafka.connect.errors.RetriableException;
import org.apache.kafka.connect.sink.SinkRecord;
import org.junit.jupiter.api.Test;

class S3SinkTaskTest {
  private static final String FIVE = "topics/pin/year=2022/month=03/day=01/hour=05/pin+0+";
  private static final String SIX = "topics/pin/year=2022/month=03/day=01/hour=06/pin+0+";

  private final Given.Store store = new Given.Store();
  private final Given.Context context = new Given.Context();
  private long now;

  private S3SinkTask task(long largestBuffer, String... changes) {
    S3SinkTask task = new S3SinkTask(() -> now, config -> store, largestBuffer);
    task.initialize(context);
    task.start(Given.settings(changes));
    task.open(List.of(Given.PIN_0));
    return task;
  }

  private S3SinkTask task(String... changes) {
    return task(1 << 20, changes);
  }

  private static List<SinkRecord> records(long from, long to) {
    return LongStream.range(from, to).mapToObj(offset -> Given.record(offset, Given.FIVE_O_CLOCK)).toList();
  }

  private static long committed(S3SinkTask task, long consumed) {
    return task.preCommit(Map.of(Given.PIN_0, new OffsetAndMetadata(consumed))).get(Given.PIN_0).offset();
  }

  private String text(String name) {
    return new String(store.objects.get(name), StandardCharsets.UTF_8);
  }

  @Test
  void storesByCountOneObjectForEachPath() {
    S3SinkTask task = task();
    task.put(List.of(Given.record(10, Given.FIVE_O_CLOCK), Given.record(11, Given.FIVE_O_CLOCK + Given.HOUR)));
    assertEquals(Map.of(), store.objects);
    task.put(List.of(Given.record(12, Given.FIVE_O_CLOCK + 5)));
    assertEquals("{\"offset\":10}\n{\"offset\":12}\n", text(FIVE + "0000000010.json"));
    assertEquals("{\"offset\":11}\n", text(SIX + "0000000011.json"));
    assertTrue(context.commitRequested);
    assertEquals(13, committed(task, 13));
  }

  @Test
  void storesAnIdlePartitionOnSchedule() {
    S3SinkTask task = task("rotate.schedule.interval.ms", "2000");
    now = 500;
    task.put(records(0, 1));
    assertEquals(1500, context.timeout, "Connect must call again at the deadline");
    now = 1999;
    task.put(List.of());
    assertEquals(Set.of(), store.objects.keySet());
    now = 2000;
    task.put(List.of());
    assertEquals(Set.of(FIVE + "0000000000.json"), store.objects.keySet());
  }

  @Test
  void storesByRecordTime() {
    S3SinkTask task = task("flush.size", "100", "rotate.interval.ms", "60000");
    task.put(List.of(Given.record(0, Given.FIVE_O_CLOCK), Given.record(1, Given.FIVE_O_CLOCK + 59_999)));
    assertEquals(Set.of(), store.objects.keySet());
    task.put(List.of(Given.record(2, Given.FIVE_O_CLOCK + 60_000)));
    assertEquals("{\"offset\":0}\n{\"offset\":1}\n", text(FIVE + "0000000000.json"));
    assertEquals(2, committed(task, 3));
  }

  @Test
  void outageKeepsEverythingAndDoublesNothing() {
    S3SinkTask task = task("retry.backoff.ms", "777");
    store.failure = new ObjectStore.UnavailableException("503 SlowDown", null);
    List<SinkRecord> batch = new ArrayList<>(records(0, 2));
    batch.add(Given.record(2, Given.FIVE_O_CLOCK + Given.HOUR));
    store.failAfter = 1;
    for (int attempt = 0; attempt < 50; attempt++) {
      RetriableException error = assertThrows(RetriableException.class, () -> task.put(batch));
      assertTrue(error.getMessage().contains("503 SlowDown"));
      assertEquals(777, context.timeout);
      assertEquals(0, committed(task, 0));
    }
    store.failure = null;
    task.put(batch);
    assertEquals(List.of(FIVE + "0000000000.json", SIX + "0000000002.json"), store.puts);
    assertEquals("{\"offset\":0}\n{\"offset\":1}\n", text(FIVE + "0000000000.json"));
    assertEquals(3, committed(task, 3));
  }

  @Test
  void refusalFailsTheTaskWithTheReason() {
    S3SinkTask task = task();
    store.failure = new ObjectStore.RefusedException("S3 refused s3://landing/x: 404 NoSuchBucket", null);
    ConnectException error = assertThrows(ConnectException.class, () -> task.put(records(0, 3)));
    assertTrue(error.getMessage().contains("404 NoSuchBucket"));
    assertTrue(!(error instanceof RetriableException));
    assertEquals(0, committed(task, 0));
  }

  @Test
  void ignoredNullsMoveTheOffset() {
    S3SinkTask task = task("behavior.on.null.values", "ignore");
    task.put(List.of(Given.record(Given.PIN_0, 7, Given.FIVE_O_CLOCK, null)));
    assertEquals(8, committed(task, 8));
    assertEquals(List.of(), context.reported);
  }

  @Test
  void nullsFailWhenToldTo() {
    ConnectException error = assertThrows(ConnectException.class,
        () -> task().put(List.of(Given.record(Given.PIN_0, 7, Given.FIVE_O_CLOCK, null))));
    assertTrue(error.getMessage().contains("pin-0@7"), error.getMessage());
  }

  @Test
  void recordsWithoutTimeGoToTheDeadLetters() {
    S3SinkTask task = task();
    SinkRecord timeless = Given.record(Given.PIN_0, 7, null, Map.of("a", 1));
    task.put(List.of(timeless));
    assertEquals(List.of(timeless), context.reported);
    assertEquals(8, committed(task, 8));
  }

  @Test
  void withoutDeadLettersTheyFailTheTask() {
    S3SinkTask task = task();
    context.reporting = false;
    SinkRecord timeless = Given.record(Given.PIN_0, 7, null, Map.of("a", 1));
    assertThrows(DataException.class, () -> task.put(List.of(timeless)));
  }

  @Test
  void gapsOfDeadLettersMoveTheOffset() {
    S3SinkTask task = task();
    task.put(List.of(Given.record(0, Given.FIVE_O_CLOCK), Given.record(4, Given.FIVE_O_CLOCK), Given.record(9, Given.FIVE_O_CLOCK)));
    assertEquals(25, committed(task, 25), "Connect consumed 10 to 24 and gave none of them to the task");
  }

  @Test
  void memoryIsBounded() {
    S3SinkTask task = task(200, "flush.size", "1000000");
    task.put(records(0, 20));
    assertEquals(Set.of(FIVE + "0000000000.json"), store.objects.keySet(), "stored long before flush.size");
    task.put(records(20, 40));
    assertEquals(Set.of(Given.PIN_0), context.paused, "the commit of the first is not known yet");
    committed(task, 40);
    committed(task, 40);
    task.put(List.of());
    assertEquals(Set.of(), context.paused);
    assertEquals(40, text(FIVE + "0000000000.json").lines().count() + text(FIVE + "0000000020.json").lines().count());
  }

  @Test
  void asksForTheCommitThatTheNextRotationWaitsFor() {
    S3SinkTask task = task("flush.size", "1");
    task.put(records(0, 2));
    assertEquals(List.of(FIVE + "0000000000.json"), store.puts);
    assertEquals(S3SinkTask.COMMIT_POLL_MS, context.timeout);
    committed(task, 2);
    committed(task, 2);
    task.put(List.of());
    assertEquals(List.of(FIVE + "0000000000.json", FIVE + "0000000001.json"), store.puts);
  }

  @Test
  void aClosedPartitionIsForgotten() {
    S3SinkTask task = task();
    task.put(records(0, 2));
    task.close(List.of(Given.PIN_0));
    task.open(List.of(Given.PIN_0, new TopicPartition("pin", 1)));
    task.put(records(0, 3));
    assertEquals("{\"offset\":0}\n{\"offset\":1}\n{\"offset\":2}\n", text(FIVE + "0000000000.json"));
  }
}
