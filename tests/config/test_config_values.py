"""Durations, sizes, addresses, networks, times and names, as people write them in the configuration."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hl7bridge.config.values import (
    Address,
    SettingError,
    duration_text,
    parse_address,
    parse_bind,
    parse_connect,
    parse_duration,
    parse_name,
    parse_network,
    parse_size,
    parse_time_of_day,
    parse_time_zone,
    parse_years,
    size_text,
)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30 s", 30), ("30s", 30), ("5 min", 300), ("2 h", 7200), ("7 d", 604800), ("500 ms", 0.5), ("1.5 s", 1.5)],
)
def test_a_duration_has_a_unit(text, seconds):
    """With or without a space before it."""
    assert parse_duration(text) == dt.timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["30", "s", "", "-1 s", "30 m", "30 S", "1e3 s", "30 s 5", "five s"])
def test_a_duration_that_is_not_clear_is_refused_with_examples(text):
    """The m of 30 m may be minutes or months: say which."""
    with pytest.raises(SettingError, match="not a duration") as raised:
        parse_duration(text)
    assert '"5 min"' in raised.value.hint


@pytest.mark.parametrize("text", ["0 s", "0.0 min", "367 d", "999999999999 d"])
def test_a_duration_of_nothing_or_for_ever_is_refused(text):
    """Both are slips of the keyboard."""
    with pytest.raises(SettingError, match="more than 0 and at most a year"):
        parse_duration(text)


def test_a_duration_of_years_is_taken_where_years_are_meant():
    """An agency may keep an account for three; nobody plans for eleven."""
    assert parse_years("1095 d") == dt.timedelta(days=1095)
    with pytest.raises(SettingError, match="more than 0 and at most ten years"):
        parse_years("4000 d")


@given(st.integers(1, 366 * 86400 * 1000))
def test_a_duration_that_is_shown_reads_the_same(milliseconds):
    """`check --show` prints what could stand in the file."""
    duration = dt.timedelta(milliseconds=milliseconds)
    assert parse_duration(duration_text(duration)) == duration


def test_a_duration_is_shown_in_its_largest_whole_unit():
    """90 seconds stay seconds."""
    shown = [duration_text(parse_duration(text)) for text in ("90 s", "300 s", "48 h", "120 min", "1500 ms")]
    assert shown == ["90 s", "5 min", "2 d", "2 h", "1500 ms"]


@pytest.mark.parametrize(("text", "size"), [("16 MiB", 16 << 20), ("1KiB", 1024), ("5 B", 5), ("1 GiB", 1 << 30)])
def test_a_size_has_a_unit(text, size):
    """Powers of two."""
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["16", "16 MB", "1.5 MiB", "-1 B", ""])
def test_a_size_that_is_not_clear_is_refused(text):
    """MB means two things."""
    with pytest.raises(SettingError, match="not a size"):
        parse_size(text)


@given(st.integers(0, 999_999_999))
def test_a_size_that_is_shown_reads_the_same(size):
    """In the largest unit that gives a whole number."""
    assert parse_size(size_text(size)) == size


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:2575", Address("127.0.0.1", 2575)),
        ("[::1]:2575", Address("::1", 2575)),
        ("ehr.example.org:2575", Address("ehr.example.org", 2575)),
        ("ehr_1:0", Address("ehr_1", 0)),
        ("[2001:db8::5]:65535", Address("2001:db8::5", 65535)),
    ],
)
def test_an_address_is_host_and_port_and_is_shown_as_it_is_written(text, address):
    """An IPv6 address stands in brackets."""
    assert parse_address(text) == address
    assert str(address) == text


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("2575", "not an address with a port"),
        ("127.0.0.1", "not an address with a port"),
        ("::1:2575", "not an address with a port"),
        ("a b:1", "not an address with a port"),
        ("[::g]:1", "not an address with a port"),
        ("[1:2]:1", "not an IPv6 address"),
        ("-x:1", "not a host name"),
        ("a" * 254 + ":1", "not a host name"),
        ("127.0.0.1:65536", "not a port"),
        ("", "not an address with a port"),
    ],
)
def test_an_address_that_is_none_is_refused(text, problem):
    """With what is wrong about it."""
    with pytest.raises(SettingError, match=problem):
        parse_address(text)


@pytest.mark.parametrize(
    ("host", "stays"),
    [
        ("127.0.0.1", True),
        ("127.8.0.1", True),
        ("::1", True),
        ("localhost", True),
        ("LOCALHOST", True),
        ("0.0.0.0", False),  # noqa: S104
        ("::", False),
        ("10.0.0.1", False),
        ("ehr", False),
        ("localhost.example.org", False),
    ],
)
def test_what_stays_on_this_machine_is_known_by_its_host(host, stays):
    """Every other name or address may leave it, whatever it resolves to today."""
    assert Address(host, 1).is_loopback is stays


def test_a_listener_needs_an_ip_address_and_may_take_any_free_port():
    """A name could come to mean another interface."""
    assert parse_bind("0.0.0.0:0") == Address("0.0.0.0", 0)  # noqa: S104
    with pytest.raises(SettingError, match="needs an IP address") as raised:
        parse_bind("localhost:2575")
    assert raised.value.hint.startswith('write "127.0.0.1:2575"')


def test_a_destination_may_be_a_name_and_needs_a_port():
    """Port 0 is only for listening."""
    assert parse_connect("localhost:1") == Address("localhost", 1)
    with pytest.raises(SettingError, match="port 0 cannot be connected to"):
        parse_connect("localhost:0")


def test_a_network_is_a_prefix_or_one_address():
    """An address inside a network is not the network: the hint has the one that was meant."""
    assert str(parse_network("10.2.0.0/16")) == "10.2.0.0/16"
    assert str(parse_network("10.2.0.7")) == "10.2.0.7/32"
    assert str(parse_network("2001:db8::/32")) == "2001:db8::/32"
    with pytest.raises(SettingError, match="host bits") as raised:
        parse_network("10.2.0.7/16")
    assert raised.value.hint == 'write "10.2.0.0/16"'
    with pytest.raises(SettingError, match="not a network"):
        parse_network("hospital")


def test_a_time_of_day_has_hours_and_minutes():
    """24 hours, two digits each."""
    assert parse_time_of_day("05:00") == dt.time(5)
    assert parse_time_of_day("23:59") == dt.time(23, 59)
    for text in ("5:00", "24:00", "05:60", "05", "05:00:00", ""):
        with pytest.raises(SettingError, match="not a time of day"):
            parse_time_of_day(text)


@pytest.mark.parametrize("text", ["Moon", "", "../etc/passwd", "/etc/localtime", "America", "UTC\0"])
def test_a_time_zone_must_exist(text):
    """By its IANA name; a path is none."""
    assert parse_time_zone("America/New_York") == "America/New_York"
    with pytest.raises(SettingError, match="not a time zone"):
        parse_time_zone(text)


@pytest.mark.parametrize("text", ["", "-a", "a b", "a/b", "..", "a\n", "é", "a" * 41])
def test_a_name_is_safe_in_a_file_name_and_a_log_line(text):
    """Letters, digits, - and _."""
    assert parse_name("North-gate_1") == "North-gate_1"
    with pytest.raises(SettingError, match="not a name"):
        parse_name(text)
