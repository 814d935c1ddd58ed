package dev.pinflow.connect.s3;

import static org.apache.kafka.common.config.ConfigDef.Range.atLeast;
import static org.apache.kafka.common.config.ConfigDef.Range.between;

import java.time.ZoneId;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.function.Predicate;
import java.util.stream.Collectors;
import org.apache.kafka.common.config.AbstractConfig;
import org.apache.kafka.common.config.ConfigDef;
import org.apache.kafka.common.config.ConfigDef.Importance;
import org.apache.kafka.common.config.ConfigDef.Type;
import org.apache.kafka.common.config.ConfigException;
import org.apache.kafka.common.config.ConfigValue;
import org.apache.kafka.common.config.types.Password;

/**
 * The sink's configuration: keys, defaults and meanings are those of Confluent's S3 sink 10.x.
 *
 * <p>What is not done here is refused where it would change what lands (other formats, partitioners,
 * encryption, stored keys and headers) and accepted without effect where it would not (part size).
 */
public final class SinkConfig extends AbstractConfig {
  static final String BUCKET = "s3.bucket.name";
  static final String REGION = "s3.region";
  static final String STORE_URL = "store.url";
  static final String KEY_ID = "aws.access.key.id";
  static final String SECRET_KEY = "aws.secret.access.key";
  static final String TOPICS_DIR = "topics.dir";
  static final String FLUSH_SIZE = "flush.size";
  static final String ROTATE_INTERVAL = "rotate.interval.ms";
  static final String ROTATE_SCHEDULE = "rotate.schedule.interval.ms";
  static final String PARTITIONER = "partitioner.class";
  static final String PATH_FORMAT = "path.format";
  static final String PARTITION_DURATION = "partition.duration.ms";
  static final String LOCALE = "locale";
  static final String TIMEZONE = "timezone";
  static final String TIMESTAMP_EXTRACTOR = "timestamp.extractor";
  static final String DIRECTORY_DELIM = "directory.delim";
  static final String FILE_DELIM = "file.delim";
  static final String FORMAT = "format.class";
  static final String STORAGE = "storage.class";
  static final String COMPRESSION = "s3.compression.type";
  static final String COMPRESSION_LEVEL = "s3.compression.level";
  static final String PART_SIZE = "s3.part.size";
  static final String PART_RETRIES = "s3.part.retries";
  static final String S3_RETRY_BACKOFF = "s3.retry.backoff.ms";
  static final String RETRY_BACKOFF = "retry.backoff.ms";
  static final String ON_NULL = "behavior.on.null.values";
  static final String COMPATIBILITY = "schema.compatibility";
  static final String PAD_WIDTH = "filename.offset.zero.pad.width";

  private static final String PACKAGE = "io.confluent.connect.";
  static final OneOf PARTITIONERS =
      OneOf.classes(PACKAGE + "storage.partitioner.", "DefaultPartitioner", "TimeBasedPartitioner");
  static final OneOf FORMATS = OneOf.classes(PACKAGE + "s3.format.json.", "JsonFormat");
  static final OneOf STORAGES = OneOf.classes(PACKAGE + "s3.storage.", "S3Storage");
  static final OneOf EXTRACTORS = OneOf.values("Record", "Wallclock");

  static final ConfigDef DEFINITION = definition();

  /** @throws ConfigException a value is missing, unknown or does not go with the others */
  public SinkConfig(Map<String, String> settings) {
    super(DEFINITION, settings, false);
    List<ConfigValue> values =
        DEFINITION.names().stream().map(name -> new ConfigValue(name, get(name), new ArrayList<>(), new ArrayList<>())).toList();
    problems(values);
    values.stream()
        .flatMap(value -> value.errorMessages().stream().map(text -> value.name() + ": " + text))
        .findFirst()
        .ifPresent(SinkConfig::refuse);
  }

  private static void refuse(String text) {
    throw new ConfigException(text);
  }

  /** Adds to the values what is wrong with them together; those that are wrong by themselves are skipped. */
  static void problems(List<ConfigValue> values) {
    Map<String, ConfigValue> byName = values.stream().collect(Collectors.toMap(ConfigValue::name, value -> value));
    if (PARTITIONERS.name(byName.get(PARTITIONER).value()).equals("TimeBasedPartitioner")) {
      for (String name : List.of(PATH_FORMAT, LOCALE, TIMEZONE)) {
        require(byName.get(name), value -> !value.toString().isBlank(), "TimeBasedPartitioner needs a value.");
      }
      require(byName.get(PARTITION_DURATION), value -> (Long) value > 0, "TimeBasedPartitioner needs more than 0.");
    }
    if (byName.get(ROTATE_SCHEDULE).value() instanceof Long interval && interval > 0) {
      require(byName.get(TIMEZONE), value -> !value.toString().isBlank(), ROTATE_SCHEDULE + " needs a time zone.");
    }
    if (byName.get(KEY_ID).value() instanceof String id && !id.isBlank()) {
      require(byName.get(SECRET_KEY), value -> !secret(value).isBlank(), KEY_ID + " needs its secret key.");
    }
  }

  private static String secret(Object value) {
    return ((Password) value).value();
  }

  private static void require(ConfigValue value, Predicate<Object> rule, String message) {
    if (value.errorMessages().isEmpty() && (value.value() == null || !rule.test(value.value()))) {
      value.addErrorMessage(message);
    }
  }

  boolean timeBased() {
    return PARTITIONERS.name(getString(PARTITIONER)).equals("TimeBasedPartitioner");
  }

  boolean ignoresNulls() {
    return getString(ON_NULL).equals("ignore");
  }

  boolean gzip() {
    return getString(COMPRESSION).equals("gzip");
  }

  ZoneId zone() {
    return getString(TIMEZONE).isBlank() ? ZoneId.of("UTC") : ZoneId.of(getString(TIMEZONE));
  }

  Locale locale() {
    return Locale.forLanguageTag(getString(LOCALE).replace('_', '-'));
  }

  /** A text that may be left out. */
  Optional<String> text(String key) {
    return Optional.ofNullable(getString(key)).filter(value -> !value.isBlank());
  }

  private static ConfigDef definition() {
    ConfigDef keys = new ConfigDef();
    storage(keys);
    rotation(keys);
    partitioning(keys);
    refused(keys);
    return keys;
  }

  private static void storage(ConfigDef keys) {
    keys.define(BUCKET, Type.STRING, ConfigDef.NO_DEFAULT_VALUE, new ConfigDef.NonEmptyString(), Importance.HIGH,
            "The bucket; it must exist.")
        .define(REGION, Type.STRING, "us-west-2", new ConfigDef.NonEmptyString(), Importance.MEDIUM, "The AWS region.")
        .define(STORE_URL, Type.STRING, null, Importance.LOW,
            "Where S3 answers, if not at AWS. Without it the worker's AWS_ENDPOINT_URL counts.")
        .define(KEY_ID, Type.STRING, "", Importance.LOW, "Access key; the SDK's own chain when empty.")
        .define(SECRET_KEY, Type.PASSWORD, "", Importance.LOW, "The secret of the access key.")
        .define(TOPICS_DIR, Type.STRING, "topics", Importance.HIGH, "The folder above all topics.")
        .define(DIRECTORY_DELIM, Type.STRING, "/", Importance.MEDIUM, "Between folders.")
        .define(FILE_DELIM, Type.STRING, "+", Importance.MEDIUM, "Between topic, partition and offset in a name.")
        .define(PAD_WIDTH, Type.INT, 10, atLeast(0), Importance.LOW, "Digits of the start offset in a name.")
        .define(STORAGE, Type.STRING, "S3Storage", STORAGES, Importance.HIGH, "S3Storage.")
        .define(FORMAT, Type.STRING, ConfigDef.NO_DEFAULT_VALUE, FORMATS, Importance.HIGH, "JsonFormat.")
        .define(COMPRESSION, Type.STRING, "none", OneOf.values("none", "gzip"), Importance.LOW, "none or gzip.")
        .define(COMPRESSION_LEVEL, Type.INT, -1, between(-1, 9), Importance.LOW, "gzip level; -1 is gzip's own.")
        .define(PART_SIZE, Type.INT, 26_214_400, atLeast(5_242_880), Importance.HIGH,
            "Accepted without effect: an object is stored by one call.")
        .define(PART_RETRIES, Type.INT, 3, atLeast(0), Importance.MEDIUM, "Retries inside one attempt to store.")
        .define(S3_RETRY_BACKOFF, Type.LONG, 200L, atLeast(0), Importance.LOW, "First pause between those, in ms.")
        .define(RETRY_BACKOFF, Type.LONG, 5000L, atLeast(1), Importance.LOW,
            "Pause between attempts while S3 is away, in ms; there is no last attempt.");
  }

  private static void rotation(ConfigDef keys) {
    keys.define(FLUSH_SIZE, Type.INT, ConfigDef.NO_DEFAULT_VALUE, atLeast(1), Importance.HIGH,
            "Records of a topic partition after which its objects are stored.")
        .define(ROTATE_INTERVAL, Type.LONG, -1L, Importance.HIGH,
            "Record time, in ms, that the objects of a rotation may span; with it, a change of path stores them too.")
        .define(ROTATE_SCHEDULE, Type.LONG, -1L, Importance.MEDIUM,
            "Wall-clock time, in ms from midnight of the time zone, at which open objects are stored.")
        .define(ON_NULL, Type.STRING, "fail", OneOf.values("fail", "ignore"), Importance.LOW, "fail or ignore.")
        .define(COMPATIBILITY, Type.STRING, "NONE", OneOf.values("NONE"), Importance.HIGH, "NONE.");
  }

  private static void partitioning(ConfigDef keys) {
    keys.define(PARTITIONER, Type.STRING, "DefaultPartitioner", PARTITIONERS, Importance.HIGH,
            "DefaultPartitioner or TimeBasedPartitioner.")
        .define(PATH_FORMAT, Type.STRING, "", new PathFormat.Check(), Importance.MEDIUM,
            "Folders of TimeBasedPartitioner as a date pattern, such as 'year'=YYYY/'month'=MM.")
        .define(PARTITION_DURATION, Type.LONG, -1L, Importance.MEDIUM, "Milliseconds that one folder holds.")
        .define(LOCALE, Type.STRING, "", Importance.MEDIUM, "For names in path.format, such as en-US.")
        .define(TIMEZONE, Type.STRING, "", new OneOf.Zone(), Importance.MEDIUM, "Of folders and schedules, such as UTC.")
        .define(TIMESTAMP_EXTRACTOR, Type.STRING, "Wallclock", EXTRACTORS, Importance.MEDIUM,
            "Which time decides the folder: Record or Wallclock.");
  }

  /** Keys of Confluent's sink that would change what lands and are not done here. */
  private static void refused(ConfigDef keys) {
    for (String name : List.of("s3.ssea.name", "s3.sse.kms.key.id", "s3.acl.canned", "s3.proxy.url", "partition.field.name")) {
      keys.define(name, Type.STRING, "", OneOf.only("", name), Importance.LOW, "Not done here: leave it out.");
    }
    for (String name : List.of("s3.wan.mode", "store.kafka.keys", "store.kafka.headers", "s3.object.tagging")) {
      keys.define(name, Type.STRING, "false", OneOf.only("false", name), Importance.LOW, "Not done here: leave it out.");
    }
  }
}
