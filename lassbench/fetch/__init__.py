"""Fetching a corpus's audio: to the end, over weeks and machines, knowing what is gone and why.

What is decided
    ``failures``  a message becomes a class, and a class an action: one table.
    ``pacing``    how fast, when to pause, when to give up.
    ``planning``  which clips a run asks for, and at which sources.
    ``loop``      what goes when, and what follows from what comes back.
    ``runner``    a whole run: :func:`lassbench.fetch.runner.fetch`.

What is done to a clip
    ``sources``, ``tables``, ``youtube``, ``ranges``  where its audio comes from.
    ``cutting``, ``work``                             from a medium to a finished FLAC file.

What is known
    ``ledger``, ``report``, ``fetched``  every attempt; status and census; a corpus's audio.
    ``lists``, ``shards``, ``merge``     what to fetch, on how many hosts, joined.
    ``remote``, ``push``, ``doctor``     other places, the Hub, this machine.
"""
