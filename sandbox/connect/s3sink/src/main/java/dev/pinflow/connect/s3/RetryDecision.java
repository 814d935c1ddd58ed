package dev.pinflow.connect.s3;

import java.io.IOException;
import java.util.Set;
import software.amazon.awssdk.awscore.exception.AwsServiceException;
import software.amazon.awssdk.core.exception.AbortedException;
import software.amazon.awssdk.core.exception.ApiCallAttemptTimeoutException;
import software.amazon.awssdk.core.exception.ApiCallTimeoutException;

/** Which failures of S3 pass by themselves: 5xx, throttling, time-outs and the network. All others don't. */
final class RetryDecision {
  private static final Set<Integer> STATUSES = Set.of(408, 429);
  private static final Set<String> CODES = Set.of("SlowDown", "RequestTimeout", "RequestTimeTooSkewed", "Throttling",
      "ThrottlingException", "ThrottledException", "RequestThrottled", "RequestThrottledException",
      "RequestLimitExceeded", "BandwidthLimitExceeded", "TooManyRequestsException", "OperationAborted");

  private RetryDecision() {}

  /** The SDK lets some failures of the network through as they are, so any exception may be asked about. */
  static boolean passes(RuntimeException error) {
    if (error instanceof AwsServiceException answer) {
      return answer.statusCode() >= 500 || STATUSES.contains(answer.statusCode()) || CODES.contains(code(answer));
    }
    return error instanceof ApiCallTimeoutException || error instanceof ApiCallAttemptTimeoutException
        || error instanceof AbortedException || network(error);
  }

  static String code(AwsServiceException answer) {
    String code = answer.awsErrorDetails() == null ? null : answer.awsErrorDetails().errorCode();
    return code == null ? "" : code;
  }

  private static boolean network(Throwable error) {
    for (Throwable cause = error; cause != null; cause = cause.getCause()) {
      if (cause instanceof IOException) {
        return true;
      }
    }
    return false;
  }
}
