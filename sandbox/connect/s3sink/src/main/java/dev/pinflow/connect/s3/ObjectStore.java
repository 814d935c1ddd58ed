package dev.pinflow.connect.s3;

/** Where objects are kept. The one seam that tests replace. */
interface ObjectStore extends AutoCloseable {
  /**
   * Stores an object whole, over any that has its name.
   *
   * @throws UnavailableException it may work later
   * @throws RefusedException it will not work until somebody mends something
   */
  void put(String name, byte[] content);

  @Override
  default void close() {}

  /** The store is away, slow or overloaded. */
  final class UnavailableException extends RuntimeException {
    UnavailableException(String message, Throwable cause) {
      super(message, cause);
    }
  }

  /** The store answered and said no. */
  final class RefusedException extends RuntimeException {
    RefusedException(String message, Throwable cause) {
      super(message, cause);
    }
  }
}
