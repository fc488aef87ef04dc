"""The incumbent's debits below zero, increment by increment, to prove that nothing else separates the answers.

Below zero its rounding goes down at every increment whose double lies a residue under the grid, so a debt grows by up
to 10^-G per increment. The product takes all increments in one step and stays exact.
"""

from ocs.charging.cgrates.call import MONETARY
from ocs.charging.cgrates.grid import round_double, round_to_nanos, to_double
from ocs.charging.cgrates.paid import PaidCall, span_cost
from ocs.charging.cgrates.purse import Books, Purse

_exact_pay = Purse.pay


def drifting_pay(purse: Purse, price_nanos: int, count: int = 1) -> None:
    """`Purse.pay` with the incumbent's doubles wherever the value goes below zero."""
    if price_nanos <= 0 or purse.value_nanos - price_nanos * count >= 0:
        _exact_pay(purse, price_nanos, count)
        return
    value, price = to_double(purse.value_nanos), to_double(price_nanos)
    for _ in range(count - 1):
        value = round_double(value - price, purse.decimals)
    purse.value_nanos = round_to_nanos(value - price, purse.decimals)


def drifting_book_rounding(paid: PaidCall, books: Books) -> None:
    """The correction below zero: a difference of doubles whose residue costs one more step of the grid."""
    for span in paid.spans:
        if span.rounding_nanos == 0 or span.interval is None:
            continue
        payment = span.steps[0].payment
        purse = books.find(payment.account_id, (MONETARY,), payment.money_uid)
        if purse is None:
            return
        cost = to_double(span_cost(span, purse.decimals))
        rounded = round_double(cost, span.interval.rounding_decimals, span.interval.rounding)
        value = to_double(purse.value_nanos) - (rounded - cost)
        purse.value_nanos = round_to_nanos(value, purse.decimals)
