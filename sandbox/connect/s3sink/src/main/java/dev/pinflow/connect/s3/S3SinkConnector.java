package dev.pinflow.connect.s3;

import java.util.Collections;
import java.util.List;
import java.util.Map;
import org.apache.kafka.common.config.Config;
import org.apache.kafka.common.config.ConfigDef;
import org.apache.kafka.connect.connector.Task;
import org.apache.kafka.connect.sink.SinkConnector;

/** Writes the records of topics as JSON lines into S3, configured by the keys of Confluent's S3 sink. */
public class S3SinkConnector extends SinkConnector {
  static final String VERSION = "1.0.0";

  private Map<String, String> settings = Map.of();

  @Override
  public void start(Map<String, String> settings) {
    new SinkConfig(settings);
    this.settings = Map.copyOf(settings);
  }

  @Override
  public Class<? extends Task> taskClass() {
    return S3SinkTask.class;
  }

  @Override
  public List<Map<String, String>> taskConfigs(int maxTasks) {
    return Collections.nCopies(maxTasks, settings);
  }

  @Override
  public void stop() {}

  @Override
  public ConfigDef config() {
    return SinkConfig.DEFINITION;
  }

  /** Checks each value by itself, then those that only make sense together. */
  @Override
  public Config validate(Map<String, String> settings) {
    Config config = super.validate(settings);
    SinkConfig.problems(config.configValues());
    return config;
  }

  @Override
  public String version() {
    return VERSION;
  }
}
