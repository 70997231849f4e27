"""Each program's expected result, worked out without Vera.

Where the program simulates something, this does it again in plain Python on whole numbers; where
mathematics knows the answer, the formula stands here. `expected.json` is held to these values.
"""

from __future__ import annotations

import re
from collections import Counter
from math import factorial


def _lcg(seed: int) -> int:
    return (seed * 1103515245 + 12345) % 2**31


def decimal_ledger() -> str:
    balance, total = 25_000_000, 25_000_000  # cents
    for _ in range(360):
        # balance * 1.0035 - 1222.61, in ten-thousandths of a cent, then half to even.
        exact = balance * 10_035 - 122_261 * 10_000
        balance, rest = divmod(exact, 10_000)
        balance += rest > 5_000 or (rest == 5_000 and balance % 2 == 1)
        total += balance
    return f"{_cents(balance)} {_cents(total)}"


def _cents(amount: int) -> str:
    sign, amount = ("-", -amount) if amount < 0 else ("", amount)
    return f"{sign}{amount // 100}.{amount % 100:02}"


def word_count() -> int:
    counts: Counter[str] = Counter()
    seed = 7
    for _ in range(20_000):
        counts[f"word{seed // 65536 % 500}"] += 1
        seed = _lcg(seed)
    folded = 0
    for number in [*counts.values(), *map(len, counts)]:
        folded = (folded * 31 + number) % 1_000_003
    return len(counts) * 10_000_000 + folded


def prime_sets() -> int:
    composite = [n for n in range(2, 5000) if any(n % d == 0 for d in range(2, n))]
    odd = sum(n % 2 for n in composite)
    return (4998 - len(composite)) * 10_000 + odd


def json_inventory() -> int:
    total = sum(i * (i * 7 % 23) + 2 + len(f"item {i}") for i in range(300))
    return total * 1_000_000 + total


def closure_chain() -> int:
    # Each of the 2,000 closures adds 1 to the argument and its own number to the result.
    return sum(3 * (i + 2000) + 2000 * 2001 // 2 for i in range(20))


def string_mill() -> int:
    text = "7,42"
    for i in range(400):
        parts = [part.rjust(5, "0")[::-1] for part in text.split(",")]
        text = f"{i}," + ",".join(parts).replace("00", "0")[:300]
    folded = 0
    for code in text.upper().encode():
        folded = (folded * 131 + code) % 1_000_000_007
    return folded


def derivatives() -> int:
    # d^6 x^n = n! / (n-6)! x^(n-6)
    at = 2
    return factorial(12) // factorial(6) * at**6 + 5 * factorial(7) * at


def red_black_tree() -> str:
    keys, seed = set(), 99
    for _ in range(20_000):
        keys.add(seed // 65536 % 32768)
        seed = _lcg(seed)
    return f"{len(keys)} {sum(keys)} true"


def exceptions() -> int:
    # The innermost frame throws the head of its list: the 2 that the last but one put there.
    return 500 * 2


def html_gallery() -> str:
    alts = [i * 3 for i in range(200)]
    # The text is written out with its entity, so what is printed is what was parsed.
    return f"{sum(alts)} {sum(alts[1::3])} {200 * len('text & ')} true"


def queens() -> int:
    return 92


def binary_trees() -> int:
    nodes = lambda depth: 2 ** (depth + 1) - 1  # noqa: E731
    return 1024 * nodes(4) + 64 * nodes(8) + 4 * nodes(12) + nodes(14)


def decimal_accounts() -> str:
    balances = [10_000] * 500
    for i in range(1500):
        balances[i * 7 % 500] -= i
        balances[(i * 13 + 1) % 500] += i
    return f"{_cents(sum(balances))} {_cents(sum(i * b for i, b in enumerate(balances)))}"


def transients() -> int:
    return sum(20_000 - i % 2 for i in range(5000, 0, -1))


def dead_blocks() -> int:
    return 100_000 + 2 * 3 * (30_000 * 30_001 // 2)


# The programs that came with the project.
def decimal_loop_20k() -> int:
    return int(sum(range(20_000)) == 199_990_000)


def list_100k() -> int:
    return 100_000 * 100_001 // 2


def list_churn() -> int:
    return 100 * (5000 * 5001 // 2)


def deep_rec_1200() -> int:
    return 1200


def strings() -> int:
    return sum(len(str(i)) for i in range(3000))


def wide_refs_20k() -> int:
    return sum(i + 1 for i in range(20_000))


def closures() -> int:
    return 2000 * 20


def result(program: str) -> int | str:
    """What the program of this name must print."""
    return globals()[re.sub(r"^\d+_", "", program)]()
