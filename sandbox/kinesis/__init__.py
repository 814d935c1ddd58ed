"""A Kinesis Data Streams API server with real shards, limits and a log that survives a kill.

The emulators that could be had either lose records when a stream is resharded or lose all when they
are killed, and none ever throttles; the stream path's guarantees are about just these three.
"""
