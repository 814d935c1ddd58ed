package dev.pinflow.connect.s3;

import java.net.URI;
import java.time.Duration;
import software.amazon.awssdk.auth.credentials.AwsBasicCredentials;
import software.amazon.awssdk.auth.credentials.StaticCredentialsProvider;
import software.amazon.awssdk.awscore.exception.AwsServiceException;
import software.amazon.awssdk.awscore.retry.AwsRetryStrategy;
import software.amazon.awssdk.core.client.config.ClientOverrideConfiguration;
import software.amazon.awssdk.core.exception.SdkException;
import software.amazon.awssdk.core.sync.RequestBody;
import software.amazon.awssdk.http.urlconnection.UrlConnectionHttpClient;
import software.amazon.awssdk.regions.Region;
import software.amazon.awssdk.retries.api.BackoffStrategy;
import software.amazon.awssdk.services.s3.S3Client;
import software.amazon.awssdk.services.s3.S3ClientBuilder;

/** S3 itself, through the AWS SDK. One attempt ends within a minute, whatever the network does. */
final class S3ObjectStore implements ObjectStore {
  private static final Duration CONNECT = Duration.ofSeconds(3);
  private static final Duration ANSWER = Duration.ofSeconds(10);
  private static final Duration WHOLE_CALL = Duration.ofSeconds(60);
  private static final Duration LONGEST_PAUSE = Duration.ofSeconds(10);

  private final S3Client client;
  private final String bucket;
  private final String contentType;

  S3ObjectStore(SinkConfig config) {
    bucket = config.getString(SinkConfig.BUCKET);
    contentType = config.gzip() ? "application/gzip" : "application/x-ndjson";
    S3ClientBuilder builder = S3Client.builder()
        .httpClient(UrlConnectionHttpClient.builder().connectionTimeout(CONNECT).socketTimeout(ANSWER).build())
        .region(Region.of(config.getString(SinkConfig.REGION)))
        .forcePathStyle(true)
        .overrideConfiguration(retries(config));
    config.text(SinkConfig.STORE_URL).map(URI::create).ifPresent(builder::endpointOverride);
    config.text(SinkConfig.KEY_ID).ifPresent(id -> builder.credentialsProvider(StaticCredentialsProvider.create(
        AwsBasicCredentials.create(id, config.getPassword(SinkConfig.SECRET_KEY).value()))));
    client = builder.build();
  }

  private static ClientOverrideConfiguration retries(SinkConfig config) {
    Duration pause = Duration.ofMillis(Math.max(1, config.getLong(SinkConfig.S3_RETRY_BACKOFF)));
    BackoffStrategy backoff = BackoffStrategy.exponentialDelay(pause, LONGEST_PAUSE);
    return ClientOverrideConfiguration.builder()
        .apiCallTimeout(WHOLE_CALL)
        .retryStrategy(AwsRetryStrategy.standardRetryStrategy().toBuilder()
            .maxAttempts(1 + config.getInt(SinkConfig.PART_RETRIES))
            .backoffStrategy(backoff)
            .throttlingBackoffStrategy(backoff)
            .build())
        .build();
  }

  @Override
  public void put(String name, byte[] content) {
    try {
      client.putObject(request -> request.bucket(bucket).key(name).contentType(contentType),
          RequestBody.fromBytes(content));
    } catch (RuntimeException error) {
      String target = "s3://" + bucket + "/" + name;
      if (RetryDecision.passes(error)) {
        throw new UnavailableException("S3 could not take " + target + " now: " + reason(error), error);
      }
      if (!(error instanceof SdkException)) {
        throw error;
      }
      throw new RefusedException("S3 refused " + target + ": " + reason(error)
          + ". Mend that, then restart the connector with its failed tasks: nothing is lost meanwhile.", error);
    }
  }

  private static String reason(RuntimeException error) {
    if (error instanceof AwsServiceException answer) {
      return answer.statusCode() + " " + RetryDecision.code(answer) + " " + answer.getMessage();
    }
    return error.getMessage();
  }

  @Override
  public void close() {
    client.close();
  }
}
