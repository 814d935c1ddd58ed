package dev.pinflow.connect.s3;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.zip.GZIPInputStream;
import org.apache.kafka.connect.json.JsonConverter;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class JsonLinesTest {
  private static String line(Object value) {
    byte[] line = new JsonLines(Given.config()).line(Given.record(Given.PIN_0, 0, 0L, value));
    return new String(line, StandardCharsets.UTF_8);
  }

  /** Through Connect's own converter, as a record comes from the wire. */
  @ParameterizedTest
  @ValueSource(strings = {
    "{\"latitude\":-89.9787}", "{\"longitude\":-173.293}", "{\"n\":9223372036854775807}", "{\"n\":0}", "{\"n\":-0.1}",
    "{\"text\":\"é ü \\\" \\\\ \\n\"}", "{\"none\":null}", "{\"list\":[1,\"a\",{}]}", "[1,2]", "\"text\"",
  })
  void valuesSurvive(String json) {
    JsonConverter converter = new JsonConverter();
    converter.configure(Map.of("schemas.enable", "false"), false);
    assertEquals(json, line(converter.toConnectData("pin", json.getBytes(StandardCharsets.UTF_8)).value()));
  }

  @Test
  void charactersBeyond16BitsAreEscapedAsPairs() {
    assertEquals("{\"text\":\"\\uD83C\\uDF89\"}", line(Map.of("text", "🎉")));
  }

  @Test
  void aValueIsOneLine() {
    assertTrue(line(Map.of("text", "a\nb\r\nc")).lines().count() == 1);
  }

  @Test
  void gzipGivesTheSameBytesEachTime() throws IOException {
    JsonLines format = new JsonLines(Given.config("s3.compression.type", "gzip", "s3.compression.level", "9"));
    ByteArrayOutputStream lines = new ByteArrayOutputStream();
    lines.writeBytes("{}\n{}\n".getBytes(StandardCharsets.UTF_8));
    byte[] content = format.content(lines);
    assertArrayEquals(content, format.content(lines));
    assertArrayEquals(lines.toByteArray(), new GZIPInputStream(new ByteArrayInputStream(content)).readAllBytes());
    assertEquals(".json.gz", format.extension());
  }

  @Test
  void withoutCompressionLinesAreAsTheyAre() {
    ByteArrayOutputStream lines = new ByteArrayOutputStream();
    lines.writeBytes(new byte[] {1, 2, 3});
    JsonLines format = new JsonLines(Given.config());
    assertArrayEquals(new byte[] {1, 2, 3}, format.content(lines));
    assertEquals(".json", format.extension());
  }
}
