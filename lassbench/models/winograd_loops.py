"""The loops of :mod:`lassbench.models.winograd`, compiled by numba.

Plain loops with the channels innermost: that is what vectorises.  The one-dimensional
transforms stand in each function twice, from the left and from the right: as functions
of six rows they are not vectorised, for nothing says there that the rows do not
overlap, and tiles of 32 channels took more than twice the time.  Importing this module
imports numba.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lassbench.compiling import compiled

Floats = NDArray[np.float32]


@compiled
def tiles(  # noqa: PLR0917 - numba compiles positional arguments
    x: Floats, scale: Floats, shift: Floats, slope: np.float32, top: int, bottom: int, out: Floats
) -> None:
    """B^T d B of rows ``top`` to ``bottom`` of tiles, d being ``x`` scaled, shifted and bent.

    ``x`` (frames, bins, channels), zero outside; ``out`` (36, at least as many
    tiles, channels) is overwritten.
    """
    two, four, five = np.float32(2), np.float32(4), np.float32(5)
    frames, bins, channels = x.shape
    across = -(-bins // 4)
    d = np.empty((6, 6, channels), np.float32)
    for row in range(top, bottom):
        for column in range(across):
            for i in range(6):
                for j in range(6):
                    frame, bin_ = row * 4 + i - 1, column * 4 + j - 1
                    to = d[i, j]
                    if 0 <= frame < frames and 0 <= bin_ < bins:
                        of = x[frame, bin_]
                        for c in range(channels):
                            v = of[c] * scale[c] + shift[c]
                            to[c] = v if v > 0 else v * slope
                    else:
                        for c in range(channels):
                            to[c] = 0.0
            # B^T from the left, in place; then B from the right.
            for j in range(6):
                d0, d1, d2, d3, d4, d5 = d[0, j], d[1, j], d[2, j], d[3, j], d[4, j], d[5, j]
                for c in range(channels):
                    e0, e1, e2, e3, e4, e5 = d0[c], d1[c], d2[c], d3[c], d4[c], d5[c]
                    even, odd = e4 - four * e2, e3 - four * e1
                    near, far = e4 - e2, two * (e3 - e1)
                    d0[c] = four * e0 - five * e2 + e4
                    d1[c] = even + odd
                    d2[c] = even - odd
                    d3[c] = near + far
                    d4[c] = near - far
                    d5[c] = four * e1 - five * e3 + e5
            tile = (row - top) * across + column
            for i in range(6):
                k = 6 * i
                d0, d1, d2, d3, d4, d5 = d[i, 0], d[i, 1], d[i, 2], d[i, 3], d[i, 4], d[i, 5]
                o0, o1, o2 = out[k, tile], out[k + 1, tile], out[k + 2, tile]
                o3, o4, o5 = out[k + 3, tile], out[k + 4, tile], out[k + 5, tile]
                for c in range(channels):
                    e0, e1, e2, e3, e4, e5 = d0[c], d1[c], d2[c], d3[c], d4[c], d5[c]
                    even, odd = e4 - four * e2, e3 - four * e1
                    near, far = e4 - e2, two * (e3 - e1)
                    o0[c] = four * e0 - five * e2 + e4
                    o1[c] = even + odd
                    o2[c] = even - odd
                    o3[c] = near + far
                    o4[c] = near - far
                    o5[c] = four * e1 - five * e3 + e5


@compiled
def untile(  # noqa: PLR0917 - numba compiles positional arguments
    m: Floats,
    scale: Floats,
    shift: Floats,
    slope: np.float32,
    added: Floats,
    top: int,
    bottom: int,
    out: Floats,
) -> None:
    """A^T m A of rows ``top`` to ``bottom`` of tiles, scaled, shifted, bent, ``added`` to.

    ``m`` (36, at least as many tiles, channels); ``added`` is empty or of the
    shape of ``out``, (frames, bins, channels).
    """
    two, four, eight = np.float32(2), np.float32(4), np.float32(8)
    frames, bins, channels = out.shape
    across = -(-bins // 4)
    t = np.empty((4, 6, channels), np.float32)
    for row in range(top, bottom):
        for column in range(across):
            tile = (row - top) * across + column
            # A^T from the left; then A from the right, in place.
            for j in range(6):
                m0, m1, m2 = m[j, tile], m[6 + j, tile], m[12 + j, tile]
                m3, m4, m5 = m[18 + j, tile], m[24 + j, tile], m[30 + j, tile]
                t0, t1, t2, t3 = t[0, j], t[1, j], t[2, j], t[3, j]
                for c in range(channels):
                    even, odd = m1[c] + m2[c], m1[c] - m2[c]
                    wide, far = m3[c] + m4[c], m3[c] - m4[c]
                    t0[c] = m0[c] + even + wide
                    t1[c] = odd + two * far
                    t2[c] = even + four * wide
                    t3[c] = odd + eight * far + m5[c]
            for i in range(min(4, frames - row * 4)):
                frame = row * 4 + i
                m0, m1, m2, m3, m4, m5 = t[i, 0], t[i, 1], t[i, 2], t[i, 3], t[i, 4], t[i, 5]
                for c in range(channels):
                    even, odd = m1[c] + m2[c], m1[c] - m2[c]
                    wide, far = m3[c] + m4[c], m3[c] - m4[c]
                    first = m0[c] + even + wide
                    second = odd + two * far
                    third = even + four * wide
                    fourth = odd + eight * far + m5[c]
                    m0[c] = first
                    m1[c] = second
                    m2[c] = third
                    m3[c] = fourth
                for j in range(min(4, bins - column * 4)):
                    bin_ = column * 4 + j
                    of, to = t[i, j], out[frame, bin_]
                    if added.size:
                        rest = added[frame, bin_]
                        for c in range(channels):
                            v = of[c] * scale[c] + shift[c]
                            to[c] = (v if v > 0 else v * slope) + rest[c]
                    else:
                        for c in range(channels):
                            v = of[c] * scale[c] + shift[c]
                            to[c] = v if v > 0 else v * slope
