"""``load --replies``: the acknowledgements of a file's messages, as a batch file that others read."""

from __future__ import annotations

import hl7
import pytest
from bridge_samples import Bridge
from load_samples import BHS, FHS, batch, feed, load, rows, write


@pytest.fixture
def bridge(tmp_path):
    return Bridge(tmp_path / "d")


def test_files_have_no_sequence_numbers_and_their_application_replies_go_nowhere_but_to_the_reply_file(
    bridge, tmp_path
):
    """Whatever the listener wants of its own senders."""
    bridge.configure("# sequence_protocol = false", "sequence_protocol = true")
    bridge.configure('# application_ack_to = "ehr"', 'application_ack_to = "ehr"')
    asking = [each.replace(b"|P|2.5.1\r", b"|P|2.5.1|||AL|AL\r") for each in feed(2)]
    code, row = load(bridge, write(tmp_path, b"".join(asking)), "--replies", tmp_path / "r")
    assert (code, row["counts"]["applied"]) == (0, 2)
    reply = hl7.parse_batch((tmp_path / "r").read_bytes())
    assert [str(ack.segment("MSA")[1]) for ack in reply] == ["CA", "AA"] * 2
    with bridge.store() as store:
        assert store.rows("SELECT * FROM deliveries") == store.rows("SELECT * FROM sequences") == []


def test_the_replies_to_a_batch_file_are_a_batch_file(bridge, tmp_path):
    """As python-hl7 reads it: an acknowledgement a message, the headers turned round, counts that agree."""
    messages = [*feed(2), feed(1, 3)[0].replace(b"|P|2.5.1", b"|P|9.9")]
    data = FHS + BHS + messages[0] + b"BTS|1\r" + BHS.replace(b"B1", b"B2") + b"".join(messages[1:]) + b"BTS|2\rFTS|2\r"
    load(bridge, write(tmp_path, data), "--replies", tmp_path / "replies.hl7")
    reply = hl7.parse_file((tmp_path / "replies.hl7").read_bytes())
    assert [[str(ack.segment("MSA")[number]) for number in (1, 2)] for batch in reply for ack in batch] == [
        ["AA", "N1"], ["AA", "N2"], ["AR", "N3"],
    ]  # fmt: skip
    assert [str(batch.header[12]) for batch in reply] == ["B1", "B2"]
    assert (str(reply.header[11]), str(reply.header[12]), str(reply.trailer[1])) == ("HBL000000001", "F1", "2")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["d", "night.hl7", "replies.hl7"]
    assert (tmp_path / "replies.hl7").stat().st_mode & 0o777 == 0o600


def test_the_replies_to_other_files_are_one_batch_to_the_sender_of_the_first_message(bridge, tmp_path):
    data = (
        b"".join(b"\x0b%b\x1c\r" % each for each in [*feed(1), batch(*feed(2, 2), file=b"")]) + b"\x0b" + feed(1)[0][:9]
    )
    load(bridge, write(tmp_path, data), "--replies", tmp_path / "r")
    reply = hl7.parse_batch((tmp_path / "r").read_bytes())
    assert [str(ack.segment("MSA")[2]) for ack in reply] == ["N1", "N2", "N3"]
    assert [str(reply.header[number]) for number in (3, 4, 5, 6)] == ["HL7BRIDGE", "AGENCY", "BILL", "NORTHGATE"]
    load(bridge, write(tmp_path, b"\x0bno message\x1c\r", "n"), "--replies", tmp_path / "r2")
    text = (tmp_path / "r2").read_text()
    assert text.startswith("BHS|^~\\&|HL7BRIDGE|||")
    assert "MSA|AE|" in text


def test_a_file_for_replies_is_never_overwritten(bridge, tmp_path):
    path = write(tmp_path, feed(1)[0])
    result = bridge.run("load", path, "--replies", write(tmp_path, b"mine", "r"))
    assert result.exit_code == 1
    assert "there is such a file already; name another for the replies" in result.stderr
    assert (tmp_path / "r").read_bytes() == b"mine"
    assert rows(bridge) == []
