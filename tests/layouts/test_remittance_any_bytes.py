"""No file of payments is too strange: whatever its bytes, there are records or problems, and dollars to the cent."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from payment_samples import NOW

from hl7bridge.layouts.registry import REMITTANCE_LAYOUTS
from hl7bridge.layouts.remittance import Reading
from hl7bridge.layouts.remittance_lines import TSI_HEADER, YGC_HEADER
from hl7bridge.payments.remittance import total_of

READING = Reading("sample", NOW)
# What gets further than the first line of each layout.
STARTS = {
    "csv": b"agency_payment_id,account,amount,date\n",
    "jsonl": b'{"agency_payment_id":"A","account":"7","amount":1,"date":"2026-01-14"}\n',
    "aim": b"APAY1        A                             1.00        20260114PA A\nATRL",
    "tsi": "|".join(TSI_HEADER).encode() + b"\n",
    "ygc": "|".join(YGC_HEADER).encode() + b"\n",
}


@pytest.mark.parametrize("layout", REMITTANCE_LAYOUTS)
@given(data=st.data())
def test_any_bytes_are_records_or_problems(layout, data):
    """Never an error, and never records beside a problem that are taken."""
    start = data.draw(st.sampled_from([b"", STARTS[layout]]))
    file = start + data.draw(st.binary(max_size=120))
    parsed = REMITTANCE_LAYOUTS[layout](file, READING)
    assert parsed.records or parsed.problems or b"ATRL" in file  # a trailer record may say that there is none
    assert parsed.total == total_of(parsed.records).paid


def test_a_number_that_is_none_in_ascii_is_no_count():
    """A superscript two is a digit to Python."""
    line = b"ATRL" + b" " * 80 + b"\xb2"
    parsed = REMITTANCE_LAYOUTS["aim"](line, READING)
    assert [each.line for each in parsed.problems] == [1]


@given(st.lists(st.integers(1, 10**9), min_size=1, max_size=30))
def test_the_dollars_of_a_file_are_the_same_in_every_layout(cents):
    """To the cent; no float anywhere."""
    amounts = [f"{each // 100}.{each % 100:02}" for each in cents]
    files = {
        "csv": STARTS["csv"] + "".join(f"P{at},7,{x},2026-01-14\n" for at, x in enumerate(amounts)).encode(),
        "aim": "".join(f"APAY{'':<9}{'7':<30}{x:<12}20260114PA P{at}\n" for at, x in enumerate(amounts)).encode(),
        "tsi": STARTS["tsi"] + "".join(f"C|7|PP|01142026|{x}|0.00\n" for x in amounts).encode(),
        "ygc": STARTS["ygc"] + "".join(f"30||7||||1|20260114|{x}||||\n" for x in amounts).encode(),
        "jsonl": "".join(
            f'{{"agency_payment_id":"P{at}","account":"7","amount":{x},"date":"2026-01-14"}}\n'
            for at, x in enumerate(amounts)
        ).encode(),
    }
    for layout, file in files.items():
        parsed = REMITTANCE_LAYOUTS[layout](file, READING)
        assert parsed.problems == ()
        assert parsed.total == sum(map(Decimal, amounts))
