package dev.pinflow.connect.s3;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Map;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.connect.errors.DataException;
import org.junit.jupiter.api.Test;

class PartitionerTest {
  private static final TopicPartition GEO_7 = new TopicPartition("geo", 7);

  @Test
  void defaultIsByKafkaPartition() {
    Partitioner partitioner = Partitioner.of(Given.config("partitioner.class", "DefaultPartitioner"), () -> 0);
    assertEquals("partition=7", partitioner.place(Given.record(GEO_7, 1, null, Map.of())).path());
  }

  @Test
  void timeBasedIsByRecordTime() {
    Partitioner.Place place = Partitioner.of(Given.config(), () -> 0).place(Given.record(0, Given.FIVE_O_CLOCK + 1));
    assertEquals("year=2022/month=03/day=01/hour=05", place.path());
    assertEquals(Given.FIVE_O_CLOCK + 1, place.timestampMs());
  }

  @Test
  void wallclockIsByTheClock() {
    Partitioner partitioner = Partitioner.of(Given.config("timestamp.extractor", "Wallclock"), () -> Given.FIVE_O_CLOCK);
    assertEquals("year=2022/month=03/day=01/hour=05", partitioner.place(Given.record(0, 0)).path());
  }

  @Test
  void noTimestampIsAnErrorAndNot1970() {
    Partitioner partitioner = Partitioner.of(Given.config(), () -> 0);
    for (Long timestamp : new Long[] {null, -1L}) {
      DataException error = assertThrows(DataException.class,
          () -> partitioner.place(Given.record(GEO_7, 42, timestamp, Map.of())));
      assertTrue(error.getMessage().contains("geo-7@42"), error.getMessage());
    }
  }
}
