package dev.pinflow.connect.s3;

import java.util.ArrayDeque;
import java.util.Deque;
import java.util.OptionalLong;
import java.util.stream.Stream;

/**
 * What one topic partition has in memory: the rotation that grows and those that wait to be stored.
 *
 * <p>Why each record lands exactly once, even when a schedule by wall clock cuts the rotations: an object is
 * named after the first record of its path since the committed offset, and a rotation is stored only after the
 * offsets of the one before it were committed. So whatever a crash leaves beyond the committed offset belongs to
 * one rotation, and reading that again gives objects of the same names, which replace what was left.
 */
final class PartitionBuffer {
  /** How far the offset after the last stored rotation has come. */
  private enum Commit { STORED, OFFERED, DONE }

  private final RotationRules rules;
  private final Deque<Rotation> ended = new ArrayDeque<>();
  private Rotation open;
  private long nextOffset = -1;
  private long storedOffset = -1;
  private Commit commit = Commit.DONE;

  PartitionBuffer(RotationRules rules) {
    this.rules = rules;
  }

  /** Whether a record has not been seen yet; Connect delivers again what it was told to retry. */
  boolean isNew(long offset) {
    return offset >= nextOffset;
  }

  /** Passes over a record that will not be stored. */
  void skip(long offset) {
    nextOffset = offset + 1;
  }

  void add(long offset, Partitioner.Place place, byte[] line, long nowMs) {
    if (open != null && rules.endsBefore(open, place)) {
      end();
    }
    if (open == null) {
      open = new Rotation(offset, place, rules.deadline(nowMs));
    }
    open.add(offset, place, line);
    nextOffset = offset + 1;
    if (rules.isFull(open)) {
      end();
    }
  }

  void endIfDue(long nowMs) {
    if (open != null && rules.isDue(open, nowMs)) {
      end();
    }
  }

  /** Ends the rotation that grows, if there is one. */
  void end() {
    if (open != null) {
      ended.add(open);
      open = null;
    }
  }

  /** The rotation to store next; {@code null} when none is ended, or the one before it isn't committed yet. */
  Rotation storable() {
    return commit == Commit.DONE ? ended.peek() : null;
  }

  /** The rotation that {@link #storable()} gave is in S3, all of it. */
  void stored() {
    storedOffset = ended.remove().nextOffset();
    commit = Commit.STORED;
  }

  boolean waitsForCommit() {
    return !ended.isEmpty() && commit != Commit.DONE;
  }

  /**
   * The offset that may be committed: that of the first record not in S3, or where the consumer is.
   *
   * <p>Connect asks again only when the commit it made of the last answer has ended, so the second question is
   * the proof that the first answer was committed.
   */
  long committable(long consumed) {
    long offset = Stream.concat(ended.stream(), Stream.ofNullable(open)).findFirst()
        .map(rotation -> Math.min(rotation.startOffset(), consumed)).orElse(consumed);
    if (commit == Commit.OFFERED) {
      commit = Commit.DONE;
    } else if (commit == Commit.STORED && offset >= storedOffset) {
      commit = Commit.OFFERED;
    }
    return offset;
  }

  OptionalLong deadline() {
    return open == null ? OptionalLong.empty() : OptionalLong.of(open.deadlineMs());
  }

  long openBytes() {
    return open == null ? 0 : open.bytes();
  }

  long bytes() {
    return openBytes() + ended.stream().mapToLong(Rotation::bytes).sum();
  }
}
