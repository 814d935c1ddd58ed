package dev.pinflow.connect.s3;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.Map;
import org.apache.kafka.common.config.ConfigException;
import org.apache.kafka.common.config.ConfigValue;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class SinkConfigTest {
  private static List<String> wrong(Map<String, String> settings) {
    return new S3SinkConnector().validate(settings).configValues().stream()
        .filter(value -> !value.errorMessages().isEmpty()).map(ConfigValue::name).sorted().toList();
  }

  @Test
  void acceptsConfluentsNames() {
    assertEquals(List.of(), wrong(Given.settings("storage.class", "io.confluent.connect.s3.storage.S3Storage")));
    assertTrue(Given.config().timeBased());
  }

  @Test
  void hasConfluentsDefaults() {
    SinkConfig config = new SinkConfig(Map.of("s3.bucket.name", "b", "flush.size", "1", "format.class", "JsonFormat"));
    assertFalse(config.timeBased());
    assertFalse(config.gzip());
    assertFalse(config.ignoresNulls());
    assertEquals("topics", config.getString("topics.dir"));
    assertEquals("us-west-2", config.getString("s3.region"));
    assertEquals(5000L, config.getLong("retry.backoff.ms"));
    assertEquals(-1L, config.getLong("rotate.schedule.interval.ms"));
    assertEquals(10, config.getInt("filename.offset.zero.pad.width"));
  }

  @ParameterizedTest
  @CsvSource({
    "partitioner.class, io.confluent.connect.storage.partitioner.FieldPartitioner",
    "format.class, io.confluent.connect.s3.format.parquet.ParquetFormat",
    "storage.class, LocalStorage",
    "s3.compression.type, snappy",
    "behavior.on.null.values, write",
    "schema.compatibility, BACKWARD",
    "timestamp.extractor, RecordField",
    "timezone, Mars/Olympus",
    "path.format, 'q'yyyy-qq",
    "flush.size, 0",
    "flush.size, many",
    "s3.part.size, 1024",
    "s3.compression.level, 10",
    "s3.ssea.name, aws:kms",
    "store.kafka.headers, true",
  })
  void refusesWhatItDoesNotDo(String key, String value) {
    assertEquals(List.of(key), wrong(Given.settings(key, value)));
    assertThrows(ConfigException.class, () -> Given.config(key, value));
  }

  @ParameterizedTest
  @ValueSource(strings = {"path.format", "locale", "timezone", "partition.duration.ms"})
  void timeBasedPartitionerNeedsItsKeys(String key) {
    assertEquals(List.of(key), wrong(Given.settings(key, null)));
    ConfigException error = assertThrows(ConfigException.class, () -> Given.config(key, null));
    assertTrue(error.getMessage().startsWith(key), error.getMessage());
  }

  @ParameterizedTest
  @ValueSource(strings = {"s3.bucket.name", "flush.size", "format.class"})
  void theseHaveNoDefault(String key) {
    assertEquals(List.of(key), wrong(Given.settings(key, null)));
  }

  @Test
  void scheduleNeedsATimeZoneWithAnyPartitioner() {
    Map<String, String> settings = Given.settings("partitioner.class", "DefaultPartitioner", "timezone", null,
        "rotate.schedule.interval.ms", "1000");
    assertEquals(List.of("timezone"), wrong(settings));
  }

  @Test
  void accessKeyNeedsItsSecret() {
    assertEquals(List.of("aws.secret.access.key"), wrong(Given.settings("aws.access.key.id", "AKIA")));
  }

  @Test
  void refusalNamesWhatIsKnown() {
    ConfigException error = assertThrows(ConfigException.class, () -> Given.config("format.class", "AvroFormat"));
    assertTrue(error.getMessage().contains("io.confluent.connect.s3.format.json.JsonFormat"), error.getMessage());
  }

  @Test
  void secretIsNotPrinted() {
    SinkConfig config = Given.config("aws.access.key.id", "AKIA", "aws.secret.access.key", "very-secret");
    assertFalse(config.values().toString().contains("very-secret"));
  }
}
