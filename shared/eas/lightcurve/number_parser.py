"""Tables of plain numbers, parsed by a compiled kernel: several times as fast as numpy, and to the same bits.

Decimal digits become the nearest double by the method of Lemire (2021, "Number parsing at a gigabyte per second",
Software: Practice and Experience 51, 1700): the digits times a power of five in 128 bits. The few numbers for which
that does not decide are left to Python.

Importing this module imports numba; the kernel is compiled, or loaded, when it is first used.
"""

from __future__ import annotations

import mmap
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eas.lightcurve.arrays import FloatArray
from eas.lightcurve.compiled import compiled

_BytesArray = NDArray[np.uint8]
_BitsArray = NDArray[np.uint64]
_PlaceArray = NDArray[np.int64]

#: Powers of ten that are in the table; numbers with others are left to Python.
_LARGEST_POWER = 64

#: More numbers than this that are left to Python make the table a case for another reader.
_MOST_HARD = 10_000


def _make_powers_of_five() -> _BitsArray:
    """Make the leading 128 bits of 5^q for q = -64 ... 64, each as two words; inverses are rounded up."""
    words = []
    for q in range(-_LARGEST_POWER, _LARGEST_POWER + 1):
        power = 5 ** abs(q)
        if q < 0:
            bits = (power - 1).bit_length()
            shift = bits + 127 if q >= -27 else 2 * bits + 128
            value = (1 << shift) // power + 1
            value >>= max(value.bit_length() - 128, 0)
        else:
            excess = power.bit_length() - 128
            value = power >> excess if excess > 0 else power << -excess
        words.append((value >> 64, value & (2**64 - 1)))
    return np.array(words, np.uint64)


_POWERS = _make_powers_of_five()

_U0, _U1, _U2, _U3, _U9, _U10, _U32, _U63, _U64 = (np.uint64(value) for value in (0, 1, 2, 3, 9, 10, 32, 63, 64))
_LOW_HALF = np.uint64(0xFFFFFFFF)
_ONES = np.uint64(0xFFFFFFFFFFFFFFFF)
_BELOW_PRECISION = np.uint64(0x1FF)
_HIDDEN_BIT = np.uint64(1 << 52)
_SIGN_BIT = np.uint64(1 << 63)
_NAN_BITS = np.uint64(0x7FF8000000000000)
_MOST_DIGITS = np.uint64(10**18)


def _multiply(a: Any, b: Any) -> Any:
    """Multiply two 64-bit numbers. Returns the upper and the lower half."""
    a_low, a_high = a & _LOW_HALF, a >> _U32
    b_low, b_high = b & _LOW_HALF, b >> _U32
    low, left, right = a_low * b_low, a_low * b_high, a_high * b_low
    middle = (low >> _U32) + (left & _LOW_HALF) + (right & _LOW_HALF)
    return a_high * b_high + (left >> _U32) + (right >> _U32) + (middle >> _U32), a * b


def _nearest_double(digits: Any, power: Any) -> Any:
    """Find the bits of the double that is nearest to digits * 10^power; all ones where that is left to Python."""
    if digits == _U0:
        return _U0
    if power < -_LARGEST_POWER or power > _LARGEST_POWER:
        return _ONES
    zeros = 0
    shifted = digits
    for step in (32, 16, 8, 4, 2, 1):
        if shifted >> np.uint64(64 - step) == _U0:
            shifted = shifted << np.uint64(step)
            zeros += step
    upper, lower = multiply(shifted, _POWERS[power + _LARGEST_POWER, 0])
    if upper & _BELOW_PRECISION == _BELOW_PRECISION:
        more, _ = multiply(shifted, _POWERS[power + _LARGEST_POWER, 1])
        lower = lower + more
        if lower < more:
            upper = upper + _U1
    if lower == _ONES and (power < -27 or power > 55):
        return _ONES
    top = upper >> _U63
    drop = top + _U9
    mantissa = upper >> drop
    exponent = ((217706 * power) >> 16) + 63 + np.int64(top) - zeros + 1023
    if exponent <= 0 or exponent >= 2046:
        return _ONES
    if lower <= _U1 and -4 <= power <= 23 and mantissa & _U3 == _U1 and mantissa << drop == upper:
        mantissa = mantissa & ~_U1  # halfway between two: the even one
    mantissa = (mantissa + (mantissa & _U1)) >> _U1
    if mantissa >= _HIDDEN_BIT << _U1:
        mantissa = _HIDDEN_BIT
        exponent += 1
    return (mantissa & ~_HIDDEN_BIT) | (np.uint64(exponent) << np.uint64(52))


def _parse(
    data: _BytesArray, delimiter: int, wanted: _PlaceArray, exact: bool, out: _BitsArray, hard: _PlaceArray
) -> tuple[int, int]:
    """Parse rows of numbers.

    Parameters
    ----------
    data
        The text, which ends with a line feed.
    delimiter
        Between cells, besides blanks; 0: blanks alone.
    wanted
        For each column of the text the row of `out` that it goes to, or -1; columns beyond are not looked at.
    exact
        Whether further columns are an error.
    out
        Bits of the numbers, shape (columns, lines).
    hard
        Gets beginning, end, column and row of the numbers that are left to Python, shape (most, 4).

    Returns
    -------
    tuple of int
        How many rows and how many hard numbers there are; -1 rows where this is no plain table.
    """
    size, place, row, hards = len(data), 0, 0, 0
    while place < size:
        while data[place] == 32 or data[place] == 13 or data[place] == 9:
            place += 1
        if data[place] == 10:
            place += 1
            continue
        if data[place] == 35:  # a comment
            while data[place] != 10:
                place += 1
            place += 1
            continue
        column = 0
        while True:
            begin = place
            negative = data[place] == 45
            if negative or data[place] == 43:
                place += 1
            digits, power, count, point = _U0, 0, 0, False
            lost = False
            while True:
                byte = data[place]
                if 48 <= byte <= 57:
                    if digits < _MOST_DIGITS:
                        digits = digits * _U10 + np.uint64(byte - 48)
                        power -= point
                    else:
                        lost = True
                    count += 1
                elif byte == 46 and not point:
                    point = True
                else:
                    break
                place += 1
            bits = _U0
            if count == 0:
                if point or data[place] | 32 != 110 or data[place + 1] | 32 != 97 or data[place + 2] | 32 != 110:
                    return -1, 0
                place += 3  # nan
                bits = _NAN_BITS
            else:
                if data[place] | 32 == 101:
                    place += 1
                    down = data[place] == 45
                    if down or data[place] == 43:
                        place += 1
                    if not 48 <= data[place] <= 57:
                        return -1, 0
                    exponent = 0
                    while 48 <= data[place] <= 57:
                        if exponent < 100_000:
                            exponent = exponent * 10 + int(data[place]) - 48
                        place += 1
                    power += -exponent if down else exponent
                bits = _ONES if lost else nearest_double(digits, power)
            if column < len(wanted):
                target = wanted[column]
                if target >= 0:
                    if bits == _ONES:
                        if hards == len(hard):
                            return -1, 0
                        hard[hards, 0], hard[hards, 1], hard[hards, 2], hard[hards, 3] = begin, place, target, row
                        hards += 1
                    out[target, row] = bits | _SIGN_BIT if negative else bits
            elif exact:
                return -1, 0
            column += 1
            apart = False
            while data[place] == 32 or data[place] == 13 or (data[place] == 9 and delimiter != 9):
                place += 1
                apart = True
            if data[place] == 10:
                place += 1
                break
            if delimiter:
                if data[place] != delimiter:
                    return -1, 0
                place += 1
                while data[place] == 32:
                    place += 1
            elif not apart:
                return -1, 0
            if column >= len(wanted) and not exact:  # the rest of the line is of no interest
                while data[place] != 10:
                    place += 1
                place += 1
                break
        if column < len(wanted):
            return -1, 0
        row += 1
    return row, hards


multiply = compiled(_multiply)
nearest_double = compiled(_nearest_double)
parse = compiled(_parse)


def parse_table(
    path: Path, *, delimiter: str | None, columns: tuple[int, ...], skip: int = 0, exact: bool = False
) -> FloatArray | None:
    """Parse a table of numbers; None where something in it is not plain, and a slower reader has to look.

    Parameters
    ----------
    path
        Lines of numbers; comments begin with ``#``, and blank lines are passed over.
    delimiter
        Between cells; None for blanks.
    columns
        Which to parse.
    skip
        Lines to pass over at the beginning.
    exact
        Whether further columns are an error.

    Returns
    -------
    FloatArray or None
        Shape (N, len(columns)); each column is contiguous.
    """
    with path.open("rb") as file:
        if not path.stat().st_size:
            return None
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as text:
            for _ in range(skip):
                file.readline()
            complete = text[-1:] == b"\n"
            data = np.frombuffer(text if complete else text[:] + b"\n", np.uint8)
            try:
                return _parse_bytes(data[file.tell() :], delimiter, columns, exact)
            finally:
                del data


def _parse_bytes(data: _BytesArray, delimiter: str | None, columns: tuple[int, ...], exact: bool) -> FloatArray | None:
    wanted = np.full(max(columns) + 1, -1, np.int64)
    wanted[list(columns)] = np.arange(len(columns))
    out = np.empty((len(columns), int(np.count_nonzero(data == 10))), np.uint64)
    hard = np.empty((_MOST_HARD, 4), np.int64)
    rows, hards = parse(data, 0 if delimiter is None else ord(delimiter), wanted, exact, out, hard)
    if rows < 0:
        return None
    table = out.view(np.float64)[:, :rows]
    for begin, end, column, row in hard[:hards].tolist():
        table[column, row] = float(data[begin:end].tobytes())
    return table.T


def load_kernels() -> None:
    """Compile the kernel, or load it from where it is kept."""
    _parse_bytes(np.frombuffer(b"1 2\n", np.uint8), None, (0, 1), exact=True)
