"""MD4 (RFC 1320) and DES (FIPS 46-3), which MS-CHAP needs and no library of today offers. Pure.

Neither protects anything here that was not lost already: they only say whether two ends know the same password.
"""

from typing import Final

MASK: Final = 0xFFFFFFFF
# Of each round: the order of the words, the shifts, the constant.
_ROUNDS: Final = (
    (tuple(range(16)), (3, 7, 11, 19), 0),
    ((0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15), (3, 5, 9, 13), 0x5A827999),
    ((0, 8, 4, 12, 2, 10, 6, 14, 1, 9, 5, 13, 3, 11, 7, 15), (3, 9, 11, 15), 0x6ED9EBA1),
)


def md4(message: bytes) -> bytes:
    """The MD4 digest of a message."""
    state = [0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476]
    padded = message + b"\x80" + bytes(-(len(message) + 9) % 64) + (len(message) * 8).to_bytes(8, "little")
    for start in range(0, len(padded), 64):
        block = padded[start : start + 64]
        words = [int.from_bytes(block[place : place + 4], "little") for place in range(0, 64, 4)]
        state = [(old + new) & MASK for old, new in zip(state, _mixed(state, words), strict=True)]
    return b"".join(word.to_bytes(4, "little") for word in state)


def _mixed(state: list[int], words: list[int]) -> list[int]:
    a, b, c, d = state
    for number, (order, shifts, constant) in enumerate(_ROUNDS):
        for step, index in enumerate(order):
            if number == 0:
                chosen = b & c | ~b & d
            elif number == 1:
                chosen = b & c | b & d | c & d
            else:
                chosen = b ^ c ^ d
            total = (a + chosen + words[index] + constant) & MASK
            shift = shifts[step % 4]
            a, b, c, d = d, (total << shift | total >> (32 - shift)) & MASK, b, c
    return [a, b, c, d]


# The tables of the standard, bits counted from 1 at the left.
_INITIAL: Final = (
    58, 50, 42, 34, 26, 18, 10, 2, 60, 52, 44, 36, 28, 20, 12, 4,
    62, 54, 46, 38, 30, 22, 14, 6, 64, 56, 48, 40, 32, 24, 16, 8,
    57, 49, 41, 33, 25, 17, 9, 1, 59, 51, 43, 35, 27, 19, 11, 3,
    61, 53, 45, 37, 29, 21, 13, 5, 63, 55, 47, 39, 31, 23, 15, 7,
)  # fmt: skip
_FINAL: Final = tuple(_INITIAL.index(place) + 1 for place in range(1, 65))
_EXPANSION: Final = (
    32, 1, 2, 3, 4, 5, 4, 5, 6, 7, 8, 9, 8, 9, 10, 11, 12, 13, 12, 13, 14, 15, 16, 17,
    16, 17, 18, 19, 20, 21, 20, 21, 22, 23, 24, 25, 24, 25, 26, 27, 28, 29, 28, 29, 30, 31, 32, 1,
)  # fmt: skip
_PERMUTATION: Final = (
    16, 7, 20, 21, 29, 12, 28, 17, 1, 15, 23, 26, 5, 18, 31, 10,
    2, 8, 24, 14, 32, 27, 3, 9, 19, 13, 30, 6, 22, 11, 4, 25,
)  # fmt: skip
_CHOICE_1: Final = (
    57, 49, 41, 33, 25, 17, 9, 1, 58, 50, 42, 34, 26, 18, 10, 2, 59, 51, 43, 35, 27, 19, 11, 3, 60, 52, 44, 36,
    63, 55, 47, 39, 31, 23, 15, 7, 62, 54, 46, 38, 30, 22, 14, 6, 61, 53, 45, 37, 29, 21, 13, 5, 28, 20, 12, 4,
)  # fmt: skip
_CHOICE_2: Final = (
    14, 17, 11, 24, 1, 5, 3, 28, 15, 6, 21, 10, 23, 19, 12, 4, 26, 8, 16, 7, 27, 20, 13, 2,
    41, 52, 31, 37, 47, 55, 30, 40, 51, 45, 33, 48, 44, 49, 39, 56, 34, 53, 46, 42, 50, 36, 29, 32,
)  # fmt: skip
_SHIFTS: Final = (1, 1, 2, 2, 2, 2, 2, 2, 1, 2, 2, 2, 2, 2, 2, 1)
# Four rows of sixteen nibbles for each of the eight boxes.
_BOXES: Final = (
    "e4d12fb83a6c5907" "0f74e2d1a6cb9538" "41e8d62bfc973a50" "fc8249175b3ea06d",
    "f18e6b34972dc05a" "3d47f28ec01a69b5" "0e7ba4d158c6932f" "d8a13f42b67c05e9",
    "a09e63f51dc7b428" "d709346a285ecbf1" "d6498f30b12c5ae7" "1ad069874fe3b52c",
    "7de3069a1285bc4f" "d8b56f03472c1ae9" "a690cb7df13e5284" "3f06a1d8945bc72e",
    "2c417ab6853fd0e9" "eb2c47d150fa3986" "421bad78f9c5630e" "b8c71e2d6f09a453",
    "c1af92680d34e75b" "af427c9561de0b38" "9ef528c3704a1db6" "432c95fabe17608d",
    "4b2ef08d3c975a61" "d0b7491ae35c2f86" "14bdc37eaf680592" "6bd814a7950fe23c",
    "d2846fb1a93e50c7" "1fd8a374c56b0e92" "7b419ce206adf358" "21e74a8dfc90356b",
)  # fmt: skip


def des(key: bytes, block: bytes) -> bytes:
    """Eight octets enciphered with a key of seven."""
    bits = _permuted(_bits(block), _INITIAL)
    left, right = bits[:32], bits[32:]
    for subkey in _subkeys(_bits(with_parity(key))):
        mixed = [one ^ other for one, other in zip(left, _scrambled(right, subkey), strict=True)]
        left, right = right, mixed
    return _octets(_permuted(right + left, _FINAL))


def with_parity(key: bytes) -> bytes:
    """A key of seven octets as eight, the last bit of each left free for parity."""
    bits = _bits(key)
    return _octets([bit for start in range(0, 56, 7) for bit in (*bits[start : start + 7], 0)])


def _subkeys(key: list[int]) -> list[list[int]]:
    bits = _permuted(key, _CHOICE_1)
    left, right = bits[:28], bits[28:]
    found = []
    for shift in _SHIFTS:
        left, right = left[shift:] + left[:shift], right[shift:] + right[:shift]
        found.append(_permuted(left + right, _CHOICE_2))
    return found


def _scrambled(half: list[int], subkey: list[int]) -> list[int]:
    mixed = [bit ^ key for bit, key in zip(_permuted(half, _EXPANSION), subkey, strict=True)]
    bits: list[int] = []
    for number, box in enumerate(_BOXES):
        six = mixed[number * 6 : number * 6 + 6]
        row, column = six[0] << 1 | six[5], six[1] << 3 | six[2] << 2 | six[3] << 1 | six[4]
        nibble = int(box[row * 16 + column], 16)
        bits += [nibble >> shift & 1 for shift in (3, 2, 1, 0)]
    return _permuted(bits, _PERMUTATION)


def _permuted(bits: list[int], table: tuple[int, ...]) -> list[int]:
    return [bits[place - 1] for place in table]


def _bits(octets: bytes) -> list[int]:
    return [octet >> shift & 1 for octet in octets for shift in range(7, -1, -1)]


def _octets(bits: list[int]) -> bytes:
    return bytes(int("".join(map(str, bits[start : start + 8])), 2) for start in range(0, len(bits), 8))
