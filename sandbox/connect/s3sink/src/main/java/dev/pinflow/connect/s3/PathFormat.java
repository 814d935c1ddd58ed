package dev.pinflow.connect.s3;

import java.time.Instant;
import java.time.LocalDateTime;
import java.time.ZoneId;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.Locale;
import org.apache.kafka.common.config.ConfigDef;
import org.apache.kafka.common.config.ConfigException;

/**
 * A folder pattern in Joda-Time's letters, as Confluent's sink takes them.
 *
 * <p>Java's own patterns differ in one letter that matters: Joda's {@code YYYY} is the year of the era, Java's
 * is the year of the week, which is another one in the last days of December.
 */
final class PathFormat {
  private static final String LETTERS = "yMdDHhKkmsSaE";

  private final DateTimeFormatter formatter;
  private final ZoneId zone;
  private final long durationMs;

  PathFormat(String pattern, Locale locale, ZoneId zone, long durationMs) {
    this.formatter = DateTimeFormatter.ofPattern(translate(pattern), locale);
    this.zone = zone;
    this.durationMs = durationMs;
  }

  /** The folder of a moment, which is first cut down to a multiple of the duration, counted in local time. */
  String encode(long timestampMs) {
    long local = timestampMs + 1000L * zone.getRules().getOffset(Instant.ofEpochMilli(timestampMs)).getTotalSeconds();
    long start = Math.floorDiv(local, durationMs) * durationMs;
    LocalDateTime moment = LocalDateTime.ofInstant(Instant.ofEpochMilli(start), ZoneOffset.UTC);
    return formatter.format(moment);
  }

  /** @throws IllegalArgumentException a letter that has no counterpart */
  static String translate(String pattern) {
    StringBuilder java = new StringBuilder();
    boolean quoted = false;
    for (char letter : pattern.toCharArray()) {
      quoted ^= letter == '\'';
      char meant = letter == 'Y' && !quoted ? 'y' : letter;
      if (!quoted && Character.isLetter(meant) && LETTERS.indexOf(meant) < 0) {
        throw new IllegalArgumentException("the letter " + letter + " is not known outside of quotes");
      }
      java.append(meant);
    }
    return java.toString();
  }

  /** Whether a pattern can be used; an empty one passes. */
  static final class Check implements ConfigDef.Validator {
    @Override
    public void ensureValid(String key, Object value) {
      try {
        DateTimeFormatter.ofPattern(translate(value.toString()));
      } catch (IllegalArgumentException error) {
        throw new ConfigException(key, value, "Not a date pattern: " + error.getMessage() + ".");
      }
    }

    @Override
    public String toString() {
      return "date pattern";
    }
  }
}
