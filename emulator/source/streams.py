"""Random numbers that are the same on every machine, and a shuffle that needs no memory."""

from __future__ import annotations

from random import Random

ROUNDS = 4
MIX = 0x9E3779B1


def stream(seed: int, purpose: str) -> Random:
    """A generator of its own for each purpose, so that a change in one place moves nothing elsewhere.

    The text is hashed by ``random`` itself (SHA-512), never by ``hash()``, which differs from process to process.
    """
    return Random(f"pinflow/{seed}/{purpose}")


class Shuffle:
    """The numbers below ``size`` in a random order, each once, without keeping them: ``shuffle(position)``.

    A Feistel network over the next even power of two, walked until the number is below ``size``.
    """

    def __init__(self, size: int, random: Random) -> None:
        self._size = size
        self._half = max(1, (max(size - 1, 1).bit_length() + 1) // 2)
        self._mask = (1 << self._half) - 1
        self._keys = [random.getrandbits(32) for _ in range(ROUNDS)]

    def __call__(self, position: int) -> int:
        """The number at ``position`` (0 to size - 1)."""
        half, mask = self._half, self._mask
        while True:
            left, right = position >> half, position & mask
            for key in self._keys:
                mixed = ((right + key) * MIX) & 0xFFFFFFFF
                left, right = right, left ^ ((mixed ^ mixed >> 15) * MIX >> 9 & mask)
            position = left << half | right
            if position < self._size:
                return position


def apportion(weights: list[int], total: int, least: int = 0) -> list[int]:
    """Whole numbers that add up to ``total`` in proportion to ``weights`` (largest remainders).

    :param least: what each gets at the least, as far as ``total`` allows it for all of them.
    """
    floor = least if total >= 4 * least * len(weights) else 0
    parts = [weight * total // sum(weights) for weight in weights]
    remainders = sorted(range(len(weights)), key=lambda i: (-(weights[i] * total % sum(weights)), i))
    for index in remainders[: total - sum(parts)]:
        parts[index] += 1
    for index, part in enumerate(parts):
        if part < floor:
            parts[parts.index(max(parts))] -= floor - part
            parts[index] = floor
    return parts
