package dev.pinflow.connect.s3;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.ConnectException;
import java.net.SocketException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import software.amazon.awssdk.awscore.exception.AwsErrorDetails;
import software.amazon.awssdk.core.exception.ApiCallTimeoutException;
import software.amazon.awssdk.core.exception.SdkClientException;
import software.amazon.awssdk.core.exception.SdkException;
import software.amazon.awssdk.services.s3.model.S3Exception;

class RetryDecisionTest {
  private static SdkException answer(int status, String code) {
    return (SdkException) S3Exception.builder().statusCode(status)
        .awsErrorDetails(AwsErrorDetails.builder().errorCode(code).build()).build();
  }

  @ParameterizedTest
  @CsvSource({
    "500, InternalError, true", "503, SlowDown, true", "503, ServiceUnavailable, true", "504, , true",
    "429, TooManyRequests, true", "408, , true", "400, RequestTimeout, true", "400, SlowDown, true",
    "400, ThrottlingException, true", "409, OperationAborted, true",
    "400, InvalidRequest, false", "400, ExpiredToken, false", "403, AccessDenied, false",
    "403, SignatureDoesNotMatch, false", "404, NoSuchBucket, false", "301, PermanentRedirect, false",
  })
  void byAnswer(int status, String code, boolean passes) {
    assertEquals(passes, RetryDecision.passes(answer(status, code)));
  }

  @Test
  void theNetworkPasses() {
    assertTrue(RetryDecision.passes(SdkClientException.create("no route", new ConnectException("refused"))));
    assertTrue(RetryDecision.passes(SdkClientException.create("wrapped", new RuntimeException(new IOException("reset")))));
    assertTrue(RetryDecision.passes(new UncheckedIOException(new SocketException("Connection reset"))));
    assertTrue(RetryDecision.passes(ApiCallTimeoutException.create(60_000)));
  }

  @Test
  void mistakesOfOurOwnDoNotPass() {
    assertFalse(RetryDecision.passes(new IllegalStateException("bug")));
  }

  @Test
  void missingCredentialsDoNotPass() {
    assertFalse(RetryDecision.passes(SdkClientException.create("Unable to load credentials from any of the providers")));
  }
}
