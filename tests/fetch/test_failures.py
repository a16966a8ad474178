"""Real messages, class by class.

The texts are those of yt-dlp's source (``extractor/youtube``, ``downloader``,
``networking``) and of YouTube as quoted in its issue tracker.
"""

from __future__ import annotations

import pytest

from lassbench.fetch import failures
from lassbench.fetch.failures import TABLE, classify, is_offline

HINT = (
    "Use --cookies-from-browser or --cookies for the authentication. See  "
    "https://github.com/yt-dlp/yt-dlp/wiki/FAQ#how-do-i-pass-cookies-to-yt-dlp  for how to "
    "manually pass cookies. Also see  https://github.com/yt-dlp/yt-dlp/wiki/Extractors"
    "#exporting-youtube-cookies  for tips on effectively exporting YouTube cookies"
)

MESSAGES = [
    ("blocked", f"ERROR: [youtube] dQw4w9WgXcQ: Sign in to confirm you’re not a bot. {HINT}"),
    ("blocked", "ERROR: [youtube] 21NlqgLVVEA: Sign in to confirm you're not a bot. This helps "),
    (
        "blocked",
        "[youtube] -0Gj8-vB1q4: All player responses are invalid. Your IP is likely being "
        "blocked by Youtube",
    ),
    (
        "blocked",
        "[youtube] abcdefghijk: Video unavailable. YouTube is requiring a captcha challenge "
        "before playback",
    ),
    (
        "rate-limited",
        "ERROR: [youtube] abcdefghijk: Video unavailable. This content isn't available, try "
        "again later. The current session has been rate-limited by YouTube for up to an hour. "
        "It is recommended to use `-t sleep` to add a delay between video requests to avoid "
        "exceeding the rate limit.",
    ),
    ("rate-limited", "This content isn’t available, try again later."),
    (
        "rate-limited",
        "[youtube] abcdefghijk: Unable to download API page: HTTP Error 429: Too Many Requests "
        "(caused by <HTTPError 429: Too Many Requests>)",
    ),
    (
        "needs-login",
        f"[youtube] abcdefghijk: Sign in to confirm your age. This video may be inappropriate "
        f"for some users. {HINT}",
    ),
    (
        "needs-login",
        "[youtube] abcdefghijk: This video is age-restricted; some formats may be missing",
    ),
    (
        "needs-login",
        "[youtube] abcdefghijk: Join this channel to get access to members-only content like "
        "this video, and other exclusive perks.",
    ),
    (
        "needs-login",
        "[youtube] abcdefghijk: This video is only available to Music Premium members",
    ),
    (
        "geo-blocked",
        "[youtube] abcdefghijk: Video unavailable. The uploader has not made this video "
        "available in your country\nThis video is available in Germany, France.",
    ),
    (
        "geo-blocked",
        "[youtube] abcdefghijk: Video unavailable. This video contains content from SME, who "
        "has blocked it in your country on copyright grounds",
    ),
    (
        "private",
        f"[youtube] abcdefghijk: Private video. Sign in if you've been granted access to this "
        f"video. {HINT}",
    ),
    ("private", "[youtube] abcdefghijk: Video unavailable. This video is private"),
    ("removed", "[youtube] abcdefghijk: Video unavailable. This video has been removed by the "),
    (
        "removed",
        "[youtube] abcdefghijk: This video has been removed for violating YouTube's policy on "
        "nudity or sexual content",
    ),
    (
        "removed",
        "[youtube] abcdefghijk: Video unavailable. This video is no longer available because "
        "the YouTube account associated with this video has been terminated.",
    ),
    (
        "removed",
        "[youtube] abcdefghijk: Video unavailable. This video is no longer available due to a "
        "copyright claim by Somebody",
    ),
    ("unavailable", "ERROR: [youtube] XyHm0BmtLHg: Video unavailable"),
    ("unavailable", "ERROR: [youtube] XyHm0BmtLHg: This video is not available"),
    ("unavailable", "ERROR: [youtube] XyHm0BmtLHg: This video isn’t available anymore"),
    (
        "environment",
        "[youtube] abcdefghijk: Requested format is not available. Use --list-formats for a "
        "list of available formats",
    ),
    (
        "environment",
        "No supported JavaScript runtime could be found. Only deno is enabled by default; to "
        "use another runtime add  --js-runtimes RUNTIME[:PATH]  to your command/config.",
    ),
    (
        "environment",
        "[youtube] abcdefghijk: No video formats found!; please report this issue on "
        "https://github.com/yt-dlp/yt-dlp/issues?q= , filling out the appropriate issue template.",
    ),
    ("environment", "ERROR: unable to write data: [Errno 28] No space left on device"),
    ("environment", "'cookies.txt' does not look like a Netscape format cookies file"),
    (
        "refused",
        "ERROR: unable to download video data: HTTP Error 403: Forbidden",
    ),
    ("refused", "ERROR: Did not get any data blocks"),
    ("refused", "ERROR: The downloaded file is empty"),
    (
        "transient",
        "[youtube] abcdefghijk: Unable to download API page: HTTP Error 503: Service "
        "Unavailable (caused by <HTTPError 503: Service Unavailable>)",
    ),
    ("transient", "ERROR: unable to download video data: The read operation timed out"),
    ("transient", "ERROR: Downloaded 5000 bytes, expected 9000 bytes"),
    ("transient", "ERROR: \r[download] Got error: 31337 bytes read, 99999 more expected"),
    (
        "transient",
        "Unable to download API page: ('Connection aborted.', RemoteDisconnected('Remote end "
        "closed connection without response'))",
    ),
    (
        "transient",
        "[youtube] abcdefghijk: Unable to download API page: Failed to resolve 'www.youtube.com' "
        "([Errno -3] Temporary failure in name resolution)",
    ),
    ("out-of-range", "the clip starts at 30 s, at or after the end of the video (28 s)"),
    ("unknown", "[youtube] abcdefghijk: Premieres in 3 days"),
]


@pytest.mark.parametrize(("name", "message"), MESSAGES)
def test_each_real_message_has_its_class(name: str, message: str) -> None:
    assert classify(message).name == name


def test_every_class_of_the_table_has_a_real_message() -> None:
    assert {name for name, _ in MESSAGES} >= {row.name for row in TABLE}


def test_the_rows_stand_in_the_order_of_the_facts() -> None:
    assert [row.name for row in TABLE] == [
        "blocked",
        "rate-limited",
        "needs-login",
        "geo-blocked",
        "private",
        "removed",
        "unavailable",
        "environment",
        "refused",
        "transient",
        "out-of-range",
    ]


@pytest.mark.parametrize("mark", ["'", "’", "‘", "ʼ"])
def test_the_apostrophe_does_not_matter(mark: str) -> None:
    assert classify(f"Sign in to confirm you{mark}re not a bot").name == "blocked"


def test_the_exception_type_decides_where_the_text_does_not() -> None:
    assert classify("blocked there", types=["GeoRestrictedError"]).name == "geo-blocked"
    assert classify("odd", types=["DownloadError", "TransportError"]).name == "transient"


def test_a_video_id_never_decides() -> None:
    # Ids are any eleven of A-Z a-z 0-9 - _, so one may spell a word of the table.
    assert classify("[youtube] xcopyrightx: Video unavailable").name == "unavailable"
    assert classify("[youtube] terminatedX: HTTP Error 503: Service Unavailable").name == (
        "transient"
    )


def test_only_words_of_the_address_break_the_run() -> None:
    assert {"blocked", "rate-limited", "environment"} == failures.BREAKING


def test_retry_groups_cover_failures_of_clips_once() -> None:
    both = failures.RETRY["transient"] & failures.RETRY["permanent"]
    assert not both
    rest = set(failures.CLASSES) - failures.RETRY["transient"] - failures.RETRY["permanent"]
    assert rest == failures.BREAKING


def test_no_network_is_told_from_a_slow_one() -> None:
    assert is_offline("Failed to resolve 'www.youtube.com'")
    assert is_offline("[Errno 111] Connection refused")
    assert not is_offline("HTTP Error 503: Service Unavailable")
    assert not is_offline("The read operation timed out")
