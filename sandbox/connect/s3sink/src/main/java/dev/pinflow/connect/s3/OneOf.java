package dev.pinflow.connect.s3;

import java.time.DateTimeException;
import java.time.ZoneId;
import java.util.List;
import java.util.stream.Stream;
import org.apache.kafka.common.config.ConfigDef;
import org.apache.kafka.common.config.ConfigException;

/** A value that must be one of a few. A class may be given with or without Confluent's package. */
final class OneOf implements ConfigDef.Validator {
  private final String prefix;
  private final List<String> names;
  private final String hint;

  private OneOf(String prefix, List<String> names, String hint) {
    this.prefix = prefix;
    this.names = names;
    this.hint = hint;
  }

  static OneOf values(String... names) {
    return new OneOf("", List.of(names), "Use one of " + String.join(", ", names) + ".");
  }

  static OneOf classes(String prefix, String... names) {
    String full = String.join(", ", Stream.of(names).map(name -> prefix + name).toList());
    return new OneOf(prefix, List.of(names), "This sink knows only " + full + ".");
  }

  static OneOf only(String value, String key) {
    return new OneOf("", List.of(value), "The sandbox's sink does not do " + key + ": leave it out.");
  }

  /** The value without its package; empty when it is none of the known ones. */
  String name(Object value) {
    String text = String.valueOf(value);
    String bare = text.startsWith(prefix) ? text.substring(prefix.length()) : text;
    return names.contains(bare) ? bare : "";
  }

  @Override
  public void ensureValid(String key, Object value) {
    if (value == null || (name(value).isEmpty() && !names.contains(value))) {
      throw new ConfigException(key, value, hint);
    }
  }

  @Override
  public String toString() {
    return names.toString();
  }

  /** A time zone's id, or nothing. */
  static final class Zone implements ConfigDef.Validator {
    @Override
    public void ensureValid(String key, Object value) {
      try {
        if (!value.toString().isBlank()) {
          ZoneId.of(value.toString());
        }
      } catch (DateTimeException error) {
        throw new ConfigException(key, value, "There is no such time zone. Use an id such as UTC or Europe/London.");
      }
    }

    @Override
    public String toString() {
      return "time zone id";
    }
  }
}
