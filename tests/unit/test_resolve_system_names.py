# ruff: noqa: ASYNC240 - the tests write a line into a file between two lookups; only the program may not block
"""The hosts file and resolv.conf: what is read from them, and when."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest
from blockbuster import blockbuster_ctx

from exporter.net.dns import system_names
from exporter.net.dns.nameserver import Nameserver
from exporter.net.dns.system_names import ResolvConf, SystemNameFiles, normal_address, parse_hosts, parse_resolv_conf
from tests.clock import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock(1000.0)


@pytest.fixture
def hosts(tmp_path: Path) -> Path:
    return tmp_path / "hosts"


@pytest.fixture
def resolv_conf(tmp_path: Path) -> Path:
    return tmp_path / "resolv.conf"


@pytest.fixture
def files(hosts: Path, resolv_conf: Path, clock: Clock) -> SystemNameFiles:
    return SystemNameFiles(hosts, resolv_conf, clock)


def test_a_hosts_line_names_an_address_as_often_as_it_likes() -> None:
    assert {
        "mail.example.test": ("192.0.2.1", "2001:db8::1"),
        "mail": ("192.0.2.1",),
        "imap.example.test": ("2001:db8::1",),
    } == dict(
        parse_hosts(
            "# the mail servers\n"
            "192.0.2.1\tMail.Example.Test. mail  # comment\n"
            "\n"
            "2001:DB8:0::1 imap.example.test mail.example.test\n"
            "192.0.2.1 mail\n"
        )
    )


@pytest.mark.parametrize(
    "line",
    ["", "#", "192.0.2.1", "mail.example.test 192.0.2.1", "192.0.2.256 mail", "fe80::1%lo mail", "0x7f.1 mail", "\0"],
)
def test_a_hosts_line_without_address_or_name_is_passed_over(line: str) -> None:
    assert {"good": ("192.0.2.9",)} == dict(parse_hosts(f"{line}\n192.0.2.9 good\n"))


def test_an_address_is_spelt_as_usual() -> None:
    assert "2001:db8::1" == normal_address("2001:DB8::0:1")


def test_a_mapped_address_is_the_ipv4_address_it_reaches() -> None:
    assert "192.0.2.1" == normal_address("::FFFF:192.0.2.1")


def test_resolv_conf_says_whom_to_ask_and_what_to_append() -> None:
    expected = ResolvConf(
        nameservers=(Nameserver("192.0.2.53"), Nameserver("fe80::1%eth0")),
        search=("corp.example", "example"),
        ndots=5,
    )
    assert expected == parse_resolv_conf(
        "; comment\n"
        "domain ignored.example\n"
        "search Corp.Example. example .\n"
        "nameserver 192.0.2.53 # the first\n"
        "nameserver dns.example\n"
        "nameserver\n"
        "nameserver fe80::1%eth0\n"
        "options timeout:3 ndots:5 rotate\n"
    )


def test_the_last_of_domain_and_search_counts() -> None:
    assert ("c.example",) == parse_resolv_conf("search a.example b.example\ndomain c.example\n").search


def test_no_more_nameservers_are_asked_than_the_c_library_asks() -> None:
    text = "".join(f"nameserver 192.0.2.{number}\n" for number in range(1, 6))
    assert tuple(Nameserver(f"192.0.2.{number}") for number in (1, 2, 3)) == parse_resolv_conf(text).nameservers


def test_without_a_nameserver_the_one_on_this_machine_is_asked() -> None:
    assert parse_resolv_conf("search example\n").nameservers == (Nameserver("127.0.0.1"),)


@pytest.mark.parametrize(
    ("option", "ndots"),
    [("ndots:0", 0), ("ndots:99", 15), ("ndots:" + "9" * 5000, 15), ("ndots:-1", 1), ("ndots:x", 1), ("ndots:²", 1)],
)
def test_ndots_is_a_small_number(option: str, ndots: int) -> None:
    assert ndots == parse_resolv_conf(f"options {option}\n").ndots


async def test_files_that_do_not_exist_are_empty_and_no_problem(files: SystemNameFiles) -> None:
    names = await files.now()
    assert {} == dict(names.hosts)
    assert ResolvConf() == names.resolv_conf
    assert () == names.problems


async def test_the_loop_is_not_blocked_by_reading(files: SystemNameFiles, hosts: Path) -> None:
    hosts.write_text("192.0.2.1 mail\n")
    with blockbuster_ctx("exporter"):
        names = await files.now()
    assert ("192.0.2.1",) == names.hosts["mail"]


async def until_read(files: SystemNameFiles) -> None:
    reading = files._reading
    assert reading is not None, "nobody looks at the files"
    await asyncio.wait((reading,))


async def test_a_change_is_seen_after_the_next_look(
    files: SystemNameFiles, hosts: Path, resolv_conf: Path, clock: Clock
) -> None:
    hosts.write_text("192.0.2.1 mail\n")
    await files.now()
    hosts.write_text("192.0.2.22 mail\n")
    resolv_conf.write_text("nameserver 192.0.2.53\n")

    clock.now += system_names.CHECK_INTERVAL
    assert ("192.0.2.1",) == (await files.now()).hosts["mail"], "nobody waits for the disk"
    await until_read(files)

    names = await files.now()
    assert ("192.0.2.22",) == names.hosts["mail"]
    assert names.resolv_conf.nameservers == (Nameserver("192.0.2.53"),)


async def test_a_file_that_was_replaced_by_one_of_the_same_size_and_time_is_read(
    files: SystemNameFiles, hosts: Path, clock: Clock
) -> None:
    hosts.write_text("192.0.2.1 mail\n")
    os.utime(hosts, (1, 1))
    await files.now()
    new = hosts.with_name("new")
    new.write_text("192.0.2.2 mail\n")
    os.utime(new, (1, 1))
    new.replace(hosts)
    clock.now += system_names.CHECK_INTERVAL
    await files.now()
    await until_read(files)
    assert ("192.0.2.2",) == (await files.now()).hosts["mail"]


async def test_the_files_are_looked_at_once_a_second_at_most(
    files: SystemNameFiles, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = 0
    look = files._read

    def counted() -> system_names.SystemNames:
        nonlocal looks
        looks += 1
        return look()

    monkeypatch.setattr(files, "_read", counted)
    await files.now()
    for _ in range(9):
        clock.now += system_names.CHECK_INTERVAL / 10
        await files.now()
    assert 1 == looks
    clock.now += system_names.CHECK_INTERVAL / 10
    await files.now()
    await until_read(files)
    assert 2 == looks


async def test_a_file_that_was_removed_is_empty(files: SystemNameFiles, hosts: Path, clock: Clock) -> None:
    hosts.write_text("192.0.2.1 mail\n")
    await files.now()
    hosts.unlink()
    clock.now += system_names.CHECK_INTERVAL
    await files.now()
    await until_read(files)
    assert {} == dict((await files.now()).hosts)


async def test_a_file_that_cannot_be_read_is_told_and_what_it_said_still_holds(
    files: SystemNameFiles, hosts: Path, clock: Clock
) -> None:
    hosts.write_text("192.0.2.1 mail\n")
    await files.now()
    hosts.unlink()
    hosts.mkdir()
    clock.now += system_names.CHECK_INTERVAL
    await files.now()
    await until_read(files)
    names = await files.now()
    assert ("192.0.2.1",) == names.hosts["mail"]
    assert names.problems == (f"{hosts} cannot be read: Is a directory",)


async def test_a_probe_that_is_cancelled_while_the_files_are_read_takes_nobody_with_it(
    files: SystemNameFiles, hosts: Path
) -> None:
    hosts.write_text("192.0.2.1 mail\n")
    first = asyncio.create_task(files.now())
    second = asyncio.create_task(files.now())
    await asyncio.sleep(0)
    first.cancel()
    assert ("192.0.2.1",) == (await second).hosts["mail"]
    assert first.cancelled()


@pytest.mark.parametrize(
    ("options", "trusted"), [("trust-ad", True), ("edns0 trust-ad ndots:2", True), ("edns0", False)]
)
def test_a_resolver_that_validates_can_be_trusted_as_the_c_library_does(options: str, *, trusted: bool) -> None:
    assert trusted is parse_resolv_conf(f"options {options}\n").trust_ad


async def test_a_pipe_in_the_place_of_a_file_is_told_and_not_waited_for(
    files: SystemNameFiles, hosts: Path, resolv_conf: Path, clock: Clock
) -> None:
    hosts.write_text("192.0.2.1 mail\n")
    await files.now()
    os.mkfifo(resolv_conf)
    hosts.write_text("192.0.2.22 mail\n")
    clock.now += system_names.CHECK_INTERVAL
    await files.now()
    await until_read(files)
    names = await files.now()
    assert ("192.0.2.22",) == names.hosts["mail"]
    assert (f"{resolv_conf} cannot be read: it is not a regular file",) == names.problems
