"""What a download is taken for: by bytes, by the server's word, by the link."""

from __future__ import annotations

import gzip
import zlib
from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.core.links import Proxy, host_of, is_loopback, is_safe, proxy_for
from runner.downloads.inflating import Inflater
from runner.downloads.ranges import PartState, range_headers, read_answer
from runner.downloads.signature import HEAD_BYTES, is_html, judge, sniff
from runner.errors import DownloadError, LinkRefused

LINK = "https://outputs.example/clip.mp4?_jwt=secret"
HEADS = [
    (b"\x00\x00\x00\x18ftypisom\x00\x00\x02\x00", "video/mp4", "mp4"),
    (b"\x00\x00\x00\x18ftypmp42\x00\x00\x02\x00", "video/mp4", "mp4"),
    (b"\x00\x00\x00\x14ftypqt  \x00\x00\x02\x00", "video/quicktime", "mov"),
    (b"\x00\x00\x00\x08wide\x00\x00\x00\x00mdat", "video/quicktime", "mov"),
    (b"\x00\x00\x00\x18ftypM4A \x00\x00\x02\x00", "audio/mp4", "m4a"),
    (b"\x00\x00\x00\x18ftypavif\x00\x00\x02\x00", "image/avif", "avif"),
    (b"\x1a\x45\xdf\xa3\x9fB\x86\x81\x01B\x82\x84webm", "video/webm", "webm"),
    (b"\x1a\x45\xdf\xa3\x9fB\x86\x81\x01B\x82\x88matroska", "video/x-matroska", "mkv"),
    (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", "image/png", "png"),
    (b"\xff\xd8\xff\xe0\x00\x10JFIF", "image/jpeg", "jpg"),
    (b"RIFF\x24\x00\x00\x00WEBPVP8 ", "image/webp", "webp"),
    (b"RIFF\x24\x00\x00\x00WAVEfmt ", "audio/wav", "wav"),
    (b"RF64\xff\xff\xff\xffWAVEds64", "audio/wav", "wav"),
    (b"GIF89a\x01\x00", "image/gif", "gif"),
    (b'<svg xmlns="http://www.w3.org/2000/svg">', "image/svg+xml", "svg"),
    (b'\xef\xbb\xbf<?xml version="1.0"?>\n<!-- a > b -->\n<svg width="1">', "image/svg+xml", "svg"),
    (b'<?xml version="1.0"?><!DOCTYPE svg PUBLIC "-//W3C//DTD"><svg>', "image/svg+xml", "svg"),
    (b"ID3\x04\x00\x00", "audio/mpeg", "mp3"),
    (b"\xff\xfb\x90\x64", "audio/mpeg", "mp3"),
    (b"\xff\xf1\x50\x80", "audio/aac", "aac"),
    (b"fLaC\x00\x00\x00\x22", "audio/flac", "flac"),
    (b"OggS\x00\x02", "audio/ogg", "ogg"),
    (b"PK\x03\x04\x14\x00", "application/zip", "zip"),
]


@pytest.mark.parametrize(("head", "media_type", "ext"), HEADS)
def test_signature_names_type_and_extension(head, media_type, ext):
    kind = sniff(head)
    assert kind is not None
    assert (kind.media_type, kind.ext) == (media_type, ext)


@pytest.mark.parametrize(
    "head", [b"", b"\xff", b"\xff\xff\xff\xff", b"RIFF\x00\x00\x00\x00AVI ", b"hello", b"\x00" * 64]
)
def test_unknown_bytes_have_no_kind(head):
    assert sniff(head) is None


@given(st.binary(max_size=200))
def test_no_bytes_break_the_reader(head):
    sniff(head)
    judge(head, "video/mp4", LINK)


def test_hostile_comments_are_read_in_linear_time():
    head = (b"<!----><?xml?>" * 1000)[:HEAD_BYTES]
    assert sniff(head) is None
    assert not is_html(head)


def test_signature_wins_over_the_servers_word_and_says_so():
    verdict = judge(HEADS[8][0], "video/mp4", LINK)
    assert verdict.kind.ext == "png"
    assert verdict.warning == "the file is image/png, but the server calls it `video/mp4`"


@pytest.mark.parametrize(
    "said", ["video/mp4", "VIDEO/MP4; codecs=avc1", "application/mp4", "", "binary/octet-stream"]
)
def test_agreeing_or_silent_server_gives_no_warning(said):
    verdict = judge(HEADS[0][0], said, LINK)
    assert (verdict.kind.ext, verdict.warning) == ("mp4", "")


def test_sound_in_an_mp4_container_is_m4a_by_the_servers_word():
    assert judge(HEADS[0][0], "audio/mp4", LINK).kind.ext == "m4a"


def test_unknown_signature_takes_the_servers_word_with_a_warning():
    verdict = judge(b"\x00" * 20, "image/png", LINK)
    assert verdict.kind.ext == "png"
    assert "no known signature" in verdict.warning


@pytest.mark.parametrize(
    ("url", "ext"),
    [
        ("https://o.example/a/scan.EXR?x=.gif", "exr"),
        ("https://o.example/a/no-dot", "bin"),
        ("https://o.example/a.toolong", "bin"),
        ("https://o.example/a.p%2Fg", "bin"),
    ],
)
def test_link_names_the_extension_where_nothing_else_does(url, ext):
    assert judge(b"\x00" * 20, "application/octet-stream", url).kind.ext == ext


def test_odd_content_type_is_shown_without_tricks():
    warning = judge(b"\x00" * 20, "a/\x1b[31m" + "x" * 500, LINK).warning
    assert "\x1b" not in warning
    assert len(warning) < 150


@pytest.mark.parametrize("page", [b"<!DOCTYPE html><p>", b"\n<html lang=en>", b"<!-- x --><html>"])
def test_web_page_is_recognised(page):
    assert is_html(page)


def test_picture_is_no_web_page():
    assert not any(is_html(head) for head, _, _ in HEADS)


# ---- ranges ----------------------------------------------------------------------------------

STATE = PartState(etag='"abc"', length=100, synced=40)
REST = {"content-range": "bytes 40-99/100", "etag": '"abc"', "content-length": "60"}


def test_rest_is_asked_for_only_if_the_file_is_the_same():
    assert range_headers(STATE) == {"Range": "bytes=40-", "If-Range": '"abc"'}
    assert range_headers(None) == {}


def test_complete_part_asks_for_its_last_byte():
    assert range_headers(PartState(etag='"a"', length=100, synced=100))["Range"] == "bytes=99-"


def test_fitting_rest_is_taken():
    incoming = read_answer(206, REST, STATE, "h")
    assert incoming is not None
    assert (incoming.start, incoming.length, incoming.can_resume) == (40, 100, True)


@pytest.mark.parametrize(
    "change",
    [
        {"content-range": "bytes 0-99/100"},
        {"content-range": "bytes 41-99/100"},
        {"content-range": "bytes 40-98/100"},
        {"content-range": "bytes 40-99/200"},
        {"content-range": "bytes 40-99"},
        {"content-range": ""},
        {"content-range": "bytes */100"},
        {"etag": '"other"'},
        {"content-encoding": "gzip"},
    ],
)
def test_rest_that_does_not_fit_means_starting_over(change):
    assert read_answer(206, {**REST, **change}, STATE, "h") is None


def test_range_that_the_server_refuses_means_starting_over():
    assert read_answer(416, {}, STATE, "h") is None


def test_ignored_range_is_the_whole_file():
    incoming = read_answer(200, {"content-length": "100", "etag": '"abc"'}, STATE, "h")
    assert incoming is not None
    assert (incoming.start, incoming.length) == (0, 100)


@pytest.mark.parametrize("etag", ["", 'W/"abc"', "abc", '"a"b"', '"a\r\nX: y"'])
def test_weak_or_broken_etag_cannot_be_resumed_by(etag):
    incoming = read_answer(200, {"content-length": "100", "etag": etag}, None, "h")
    assert incoming is not None
    assert not incoming.can_resume


@pytest.mark.parametrize("length", ["", "-1", "ten", "1e3", "٣", "9" * 40])
def test_length_that_is_no_number_counts_as_unsaid(length):
    incoming = read_answer(200, {"content-length": length}, None, "h")
    assert incoming is not None
    assert incoming.length is None


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 451])
def test_any_other_4xx_refuses_the_link(status):
    with pytest.raises(LinkRefused, match=str(status)):
        read_answer(status, {}, None, "h")


@pytest.mark.parametrize("status", [204, 206, 304, 408, 416, 429, 500, 502, 503])
def test_everything_else_is_worth_another_fetch(status):
    with pytest.raises(DownloadError) as caught:
        read_answer(status, {}, None, "h")
    assert type(caught.value) is DownloadError


@given(st.integers(100, 599), st.dictionaries(st.sampled_from(sorted(REST)), st.text(max_size=30)))
def test_no_answer_breaks_the_reader(status, fields):
    try:
        incoming = read_answer(status, fields, STATE, "h")
    except DownloadError:
        return
    assert incoming is None or incoming.start in {0, 40}


# ---- inflating -------------------------------------------------------------------------------


@given(
    st.binary(max_size=5_000), st.integers(1, 700), st.sampled_from([gzip.compress, zlib.compress])
)
def test_packed_bytes_inflate_whatever_the_pieces(data, size, pack):
    packed = pack(data)
    inflater = Inflater("h", most_bytes=8 << 20)
    plain = b"".join(
        piece
        for at in range(0, len(packed), size)
        for piece in inflater.pieces(packed[at : at + size])
    )
    assert plain + inflater.finish() == data


def test_bomb_is_refused_before_it_fills_the_disk():
    bomb = gzip.compress(bytes(50 << 20))
    inflater = Inflater("h", most_bytes=4 << 20)
    assert len(next(Inflater("h", most_bytes=8 << 20).pieces(bomb))) == 1 << 20
    with pytest.raises(DownloadError, match="without end"):
        deque(inflater.pieces(bomb), maxlen=0)


def test_cut_and_garbled_packages_are_refused():
    cut = Inflater("h", most_bytes=8 << 20)
    list(cut.pieces(gzip.compress(b"x" * 999)[:-9]))
    with pytest.raises(DownloadError, match="not complete"):
        cut.finish()
    with pytest.raises(DownloadError, match="garbled"):
        list(Inflater("h", most_bytes=8 << 20).pieces(b"no gzip at all"))


# ---- links and proxies -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "safe"),
    [
        ("https://o.example/a", True),
        ("http://127.0.0.1:80/a", True),
        ("http://127.8.9.1/a", True),
        ("http://[::1]/a", True),
        ("http://localhost:1/a", True),
        ("http://o.example/a", False),
        ("http://localhost.example/a", False),
        ("http://0.0.0.0/a", False),
        ("https://user@o.example/a", False),
        ("file:///etc/passwd", False),
        ("https:///a", False),
        ("https://[::1", False),
        ("https://h:port/", False),
        ("", False),
    ],
)
def test_only_https_and_this_machine_are_safe(url, safe):
    assert is_safe(url) is safe


@given(st.text(max_size=60))
def test_no_text_breaks_the_link_checks(url):
    is_safe(url)
    is_loopback(url)
    host_of(url)


PROXIES = {"https": "http://me:p%40ss@proxy.example:3128", "no": "intern.example, .corp"}


def test_proxy_carries_its_login_in_a_header_only():
    proxy = proxy_for(LINK, PROXIES)
    assert proxy is not None
    assert proxy.url == "http://proxy.example:3128"
    assert proxy.headers == {"Proxy-Authorization": "Basic bWU6cEBzcw=="}
    assert "p@ss" not in repr(proxy)
    assert "bWU6" not in repr(proxy)


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1:1/", "https://localhost/", "https://intern.example/", "https://a.corp/"],
)
def test_this_machine_and_exceptions_use_no_proxy(url):
    assert proxy_for(url, {**PROXIES, "http": "http://proxy.example"}) is None


def test_star_excepts_everything_and_no_proxy_means_none():
    assert proxy_for(LINK, {**PROXIES, "no": "*"}) is None
    assert proxy_for(LINK, {}) is None
    assert proxy_for(LINK, {"https": "proxy.example:8080"}) == Proxy(
        url="http://proxy.example:8080"
    )
