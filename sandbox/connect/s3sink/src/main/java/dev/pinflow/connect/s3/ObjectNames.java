package dev.pinflow.connect.s3;

import org.apache.kafka.common.TopicPartition;

/** Names objects as Confluent's sink does: {@code topics/<topic>/<path>/<topic>+<partition>+<start offset>.json.gz}. */
final class ObjectNames {
  private final String root;
  private final String directoryDelimiter;
  private final String fileDelimiter;
  private final String offsetFormat;
  private final String extension;

  ObjectNames(SinkConfig config, String extension) {
    directoryDelimiter = config.getString(SinkConfig.DIRECTORY_DELIM);
    fileDelimiter = config.getString(SinkConfig.FILE_DELIM);
    root = config.text(SinkConfig.TOPICS_DIR).map(folder -> folder + directoryDelimiter).orElse("");
    int width = config.getInt(SinkConfig.PAD_WIDTH);
    offsetFormat = width == 0 ? "%d" : "%0" + width + "d";
    this.extension = extension;
  }

  String name(TopicPartition partition, String path, long startOffset) {
    String file = String.join(fileDelimiter, partition.topic(), String.valueOf(partition.partition()),
        offsetFormat.formatted(startOffset));
    return root + partition.topic() + directoryDelimiter + path + directoryDelimiter + file + extension;
  }
}
