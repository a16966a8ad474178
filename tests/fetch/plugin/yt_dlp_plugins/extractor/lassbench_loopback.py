"""A yt-dlp plugin that asks a loopback site for what YouTube's player would say.

Everything after that answer is yt-dlp's own YouTube extractor: it reads the
playability status, words the errors, lists the formats, and transfers.
The site's address stands in LASSBENCH_TEST_SITE; without it nothing changes.
"""

import os
import time

from yt_dlp.extractor.youtube import YoutubeIE
from yt_dlp.extractor.youtube import _video as names


class _LoopbackIE(YoutubeIE, plugin_name="loopback"):
    def _initial_extract(self, url, smuggled_data, webpage_url, webpage_client, video_id):
        site = os.environ.get("LASSBENCH_TEST_SITE")
        if not site:
            return super()._initial_extract(
                url, smuggled_data, webpage_url, webpage_client, video_id
            )
        answer = self._download_json(f"{site}/player/{video_id}", video_id, "Downloading player")
        marks = {
            names.STREAMING_DATA_CLIENT_NAME: "android_vr",
            names.STREAMING_DATA_FETCH_GVS_PO_TOKEN: lambda **_: None,
            names.STREAMING_DATA_FETCH_SUBS_PO_TOKEN: lambda **_: None,
            names.STREAMING_DATA_PLAYER_TOKEN_PROVIDED: True,
            names.STREAMING_DATA_INNERTUBE_CONTEXT: {},
            names.STREAMING_DATA_IS_PREMIUM_SUBSCRIBER: False,
            names.STREAMING_DATA_AVAILABLE_AT_TIMESTAMP: int(time.time()),
        }
        answer.setdefault("streamingData", {}).update(marks)
        for entry in answer["streamingData"].get("adaptiveFormats", []):
            entry.update(marks)
        return None, {}, {}, False, [answer], None
