package io.confluent.connect.s3;

/**
 * A stand-in by name only: no code of Confluent's is in here.
 *
 * <p>One connector configuration has to load both in MSK Connect, with Confluent's own plugin, and in the
 * sandbox. A configuration names its connector by class, so the sandbox's sink answers to that name too.
 * What it does and what it refuses is said in {@link dev.pinflow.connect.s3.SinkConfig}.
 */
public final class S3SinkConnector extends dev.pinflow.connect.s3.S3SinkConnector {}
