package dev.pinflow.connect.s3;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.Map;
import java.util.zip.GZIPOutputStream;
import org.apache.kafka.connect.json.JsonConverter;
import org.apache.kafka.connect.sink.SinkRecord;

/** Confluent's JsonFormat: one value a line, compressed as a whole object. The same records give the same bytes. */
final class JsonLines {
  private final JsonConverter converter = new JsonConverter();
  private final boolean gzip;
  private final int level;

  JsonLines(SinkConfig config) {
    converter.configure(Map.of("schemas.enable", "false"), false);
    gzip = config.gzip();
    level = config.getInt(SinkConfig.COMPRESSION_LEVEL);
  }

  /** @throws org.apache.kafka.connect.errors.DataException the value can't be written as JSON */
  byte[] line(SinkRecord record) {
    return converter.fromConnectData(record.topic(), record.valueSchema(), record.value());
  }

  byte[] content(ByteArrayOutputStream lines) {
    if (!gzip) {
      return lines.toByteArray();
    }
    ByteArrayOutputStream packed = new ByteArrayOutputStream(lines.size() / 4 + 64);
    try (GZIPOutputStream stream = new LevelledGzip(packed, level)) {
      lines.writeTo(stream);
    } catch (IOException error) {
      throw new UncheckedIOException(error);
    }
    return packed.toByteArray();
  }

  String extension() {
    return gzip ? ".json.gz" : ".json";
  }

  private static final class LevelledGzip extends GZIPOutputStream {
    LevelledGzip(ByteArrayOutputStream target, int level) throws IOException {
      super(target, 65_536);
      def.setLevel(level);
    }
  }
}
