package dev.pinflow.connect.s3;

import static org.junit.jupiter.api.Assertions.assertEquals;

import org.apache.kafka.common.TopicPartition;
import org.junit.jupiter.api.Test;

class ObjectNamesTest {
  private static final TopicPartition GEO_2 = new TopicPartition("pinflow.geo", 2);

  private static String name(String... changes) {
    return new ObjectNames(Given.config(changes), ".json.gz").name(GEO_2, "hour=05", 4711);
  }

  @Test
  void isConfluents() {
    assertEquals("topics/pinflow.geo/hour=05/pinflow.geo+2+0000004711.json.gz", name());
  }

  @Test
  void followsItsKeys() {
    assertEquals("a/b/pinflow.geo/hour=05/pinflow.geo+2+0000004711.json.gz", name("topics.dir", "a/b"));
    assertEquals("pinflow.geo/hour=05/pinflow.geo+2+0000004711.json.gz", name("topics.dir", ""));
    assertEquals("topics/pinflow.geo/hour=05/pinflow.geo-2-4711.json.gz",
        name("file.delim", "-", "filename.offset.zero.pad.width", "0"));
    assertEquals("topics_pinflow.geo_hour=05_pinflow.geo+2+0000004711.json.gz", name("directory.delim", "_"));
  }
}
