package dev.pinflow.connect.s3;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

class PartitionBufferTest {
  private static final Partitioner.Place FIVE = new Partitioner.Place("hour=05", Given.FIVE_O_CLOCK);
  private static final Partitioner.Place SIX = new Partitioner.Place("hour=06", Given.FIVE_O_CLOCK + Given.HOUR);

  private static PartitionBuffer buffer(String... changes) {
    return new PartitionBuffer(new RotationRules(Given.config(changes)));
  }

  private static void add(PartitionBuffer buffer, Partitioner.Place place, long... offsets) {
    for (long offset : offsets) {
      buffer.add(offset, place, new byte[9], 0);
    }
  }

  @Test
  void nothingOpenMeansWhereTheConsumerIs() {
    assertEquals(17, buffer().committable(17));
  }

  @Test
  void openRecordsHoldTheOffset() {
    PartitionBuffer buffer = buffer("flush.size", "100");
    add(buffer, FIVE, 5);
    add(buffer, SIX, 6, 9);
    assertEquals(5, buffer.committable(10));
  }

  @Test
  void skippedRecordsDoNotHoldTheOffset() {
    PartitionBuffer buffer = buffer();
    buffer.skip(5);
    assertEquals(6, buffer.committable(6));
    assertFalse(buffer.isNew(5));
    assertTrue(buffer.isNew(6));
  }

  @Test
  void neverPastWhatConnectConsumed() {
    PartitionBuffer buffer = buffer("flush.size", "100");
    add(buffer, FIVE, 8);
    assertEquals(5, buffer.committable(5), "the batch with offset 8 is to be delivered again");
  }

  @Test
  void storedRotationFreesItsOffsets() {
    PartitionBuffer buffer = buffer("flush.size", "2");
    add(buffer, FIVE, 5, 6, 7);
    assertEquals(2, buffer.storable().count());
    assertEquals(5, buffer.committable(8));
    buffer.stored();
    assertEquals(7, buffer.committable(8));
  }

  @Test
  void nextRotationWaitsUntilTheCommitOfTheLastHasEnded() {
    PartitionBuffer buffer = buffer("flush.size", "1");
    add(buffer, FIVE, 5, 6);
    buffer.stored();
    assertNull(buffer.storable(), "not asked yet");
    assertTrue(buffer.waitsForCommit());
    assertEquals(6, buffer.committable(7));
    assertNull(buffer.storable(), "answered, not known to be committed");
    assertEquals(6, buffer.committable(7));
    assertNotNull(buffer.storable());
    assertFalse(buffer.waitsForCommit());
  }

  @Test
  void anAnswerThatFallsShortIsNoCommit() {
    PartitionBuffer buffer = buffer("flush.size", "1");
    add(buffer, FIVE, 5, 6);
    buffer.stored();
    for (int i = 0; i < 3; i++) {
      assertEquals(5, buffer.committable(5));
      assertNull(buffer.storable());
    }
  }

  @Test
  void scheduleEndsOnlyWhatIsOpen() {
    PartitionBuffer buffer = buffer("rotate.schedule.interval.ms", "10");
    buffer.endIfDue(1_000);
    assertNull(buffer.storable());
    add(buffer, FIVE, 5);
    assertEquals(10, buffer.deadline().getAsLong());
    buffer.endIfDue(9);
    assertNull(buffer.storable());
    buffer.endIfDue(10);
    assertEquals(1, buffer.storable().count());
    assertTrue(buffer.deadline().isEmpty());
  }

  @Test
  void countsBytesWithTheLineEnds() {
    PartitionBuffer buffer = buffer("flush.size", "2");
    add(buffer, FIVE, 1, 2, 3);
    assertEquals(30, buffer.bytes());
    assertEquals(10, buffer.openBytes());
  }
}
