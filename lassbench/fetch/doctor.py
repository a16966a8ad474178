"""What this machine needs for the work, whether it is there, and how to mend it."""

from __future__ import annotations

import os
import shutil
from datetime import UTC, date, datetime
from importlib import metadata
from pathlib import Path

from lassbench.records import Check

#: YouTube changes under yt-dlp's feet every few weeks.
OLD_AFTER_DAYS = 60

#: The LASS-2022 clips, packed and unpacked, take about 5 GB; a run needs room to move.
ENOUGH_GB = 8.0
LEAST_GB = 0.5

#: Seconds that a site has to answer.
TIMEOUT_S = 3.0

_INSTALL_YT_DLP = "pip install --upgrade 'yt-dlp[default,curl-cffi,deno]'"


def examine(folder: Path, *, offline: bool = False) -> list[Check]:
    """Look at everything; datasets go to ``folder``; ``offline`` leaves out what needs the net."""
    checks = [javascript(), solver(), yt_dlp_age(), impersonation(), ffmpeg(), sndfile()]
    checks += [disk(folder), gpu()]
    return checks if offline else [*checks, hub(), youtube()]


def javascript() -> Check:
    """The JavaScript runtime that yt-dlp solves YouTube's challenges with."""
    from yt_dlp.globals import supported_js_runtimes

    name = "JavaScript runtime"
    others = []
    for runtime, kind in supported_js_runtimes.value.items():
        info = kind().info
        if info is None:
            continue
        if runtime == "deno" and info.supported:
            return Check(name, "ok", f"deno {info.version}")
        others.append(f"{runtime} {info.version}{'' if info.supported else ' (too old)'}")
    found = f"only {', '.join(others)}, which yt-dlp does not use unasked" if others else "none"
    return Check(name, "fail", found, _INSTALL_YT_DLP)


def solver() -> Check:
    """The scripts that the JavaScript runtime runs."""
    try:
        return Check("challenge solver", "ok", f"yt-dlp-ejs {metadata.version('yt-dlp-ejs')}")
    except metadata.PackageNotFoundError:
        return Check("challenge solver", "fail", "yt-dlp-ejs is not installed", _INSTALL_YT_DLP)


def yt_dlp_age(today: date | None = None) -> Check:
    """How old yt-dlp is, by its version, which is a date."""
    from yt_dlp.version import __version__

    released = date(*(int(part) for part in __version__.split(".")[:3]))
    days = ((today or datetime.now(UTC).date()) - released).days
    found = f"{__version__}, {days} days old"
    if days <= OLD_AFTER_DAYS:
        return Check("yt-dlp", "ok", found)
    return Check("yt-dlp", "warn", f"{found}: YouTube may have moved on", _INSTALL_YT_DLP)


def impersonation() -> Check:
    """Whether yt-dlp can look like a browser."""
    try:
        return Check("curl-cffi", "ok", metadata.version("curl-cffi"))
    except metadata.PackageNotFoundError:
        return Check("curl-cffi", "warn", "not installed", _INSTALL_YT_DLP)


def ffmpeg() -> Check:
    """FFmpeg's libraries, which come inside PyAV; the ffmpeg program is not needed."""
    name, mend = "FFmpeg libraries", "pip install --force-reinstall av"
    try:
        import av
        from av.codec.codec import codecs_available
        from av.format import formats_available
    except ImportError as error:
        return Check(name, "fail", f"PyAV cannot be loaded: {error}", mend)
    lacking = [codec for codec in ("opus", "aac", "mp3", "vorbis") if codec not in codecs_available]
    lacking += [kind for kind in ("webm", "mp4", "ogg") if kind not in formats_available]
    if lacking:
        return Check(name, "fail", f"PyAV {av.__version__} lacks {', '.join(lacking)}", mend)
    version = ".".join(map(str, av.library_versions["libavcodec"]))
    return Check(name, "ok", f"PyAV {av.__version__}, libavcodec {version}")


def sndfile() -> Check:
    """libsndfile, which writes FLAC."""
    name, mend = "libsndfile", "pip install --force-reinstall soundfile"
    try:
        import soundfile
    except (ImportError, OSError) as error:
        return Check(name, "fail", f"cannot be loaded: {error}", mend)
    if "FLAC" not in soundfile.available_formats():
        return Check(name, "fail", "has no FLAC", mend)
    return Check(name, "ok", str(soundfile.__libsndfile_version__))


def disk(folder: Path) -> Check:
    """Room where the datasets go, and whether it may be written."""
    nearest = folder.resolve()
    while not nearest.exists():
        nearest = nearest.parent
    free_gb = shutil.disk_usage(nearest).free / 1e9
    found = f"{free_gb:.1f} GB free at {nearest}"
    if not os.access(nearest, os.W_OK):
        return Check("disk", "fail", f"{nearest} cannot be written", "name another --folder")
    if free_gb < LEAST_GB:
        return Check("disk", "fail", found, "free some space, or use another disk")
    if free_gb < ENOUGH_GB:
        mend = f"the clips of LASS-2022 take about 5 GB: have {ENOUGH_GB:g} GB free"
        return Check("disk", "warn", found, mend)
    return Check("disk", "ok", found)


def gpu() -> Check:
    """A CUDA device, which training wants and nothing else needs."""
    import torch

    if torch.cuda.is_available():
        names = {torch.cuda.get_device_name(at) for at in range(torch.cuda.device_count())}
        return Check("GPU", "ok", ", ".join(sorted(names)))
    if shutil.which("nvidia-smi"):
        found = f"there is an NVIDIA driver, but torch {torch.__version__} cannot use it"
        return Check("GPU", "warn", found, "install a CUDA build of torch (pytorch.org)")
    return Check("GPU", "warn", "none", "needed only to train; everything else runs without")


def hub() -> Check:
    """Whether the Hugging Face Hub answers, and as whom."""
    from huggingface_hub import constants, get_token

    told = _answers(constants.ENDPOINT)
    if told:
        mend = "needed for `push`, `--audio hf://...` and text encoders; check the network or proxy"
        return Check("Hugging Face Hub", "warn", told, mend)
    if not get_token():
        return Check("Hugging Face Hub", "ok", "answers; not logged in (`hf auth login` to push)")
    return Check("Hugging Face Hub", "ok", "answers; a token is set")


def youtube() -> Check:
    """Whether YouTube can be reached at all (not whether it will serve videos)."""
    told = _answers("https://www.youtube.com/robots.txt")
    if told:
        return Check("YouTube", "warn", told, "needed to fetch; check the network, or --proxy")
    return Check("YouTube", "ok", "answers")


def _answers(url: str) -> str:
    """What is wrong with ``url``, or ``""``: any answer below 500 is one."""
    import urllib.error
    import urllib.request

    request = urllib.request.Request(url, method="HEAD", headers={"User-Agent": "lassbench"})
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S):
            return ""
    except urllib.error.HTTPError as error:
        return "" if error.code < 500 else f"{url} answers HTTP {error.code}"
    except OSError as error:
        return f"{url} does not answer: {getattr(error, 'reason', error)}"
