"""Fetching a corpus's audio: to the end, over weeks and machines, knowing what is gone and why.

What is decided
    ``failures``  a message becomes a class, and a class an action: one table.
    ``pacing``    how fast, when to pause, when to give up.
    ``planning``  a run's options, and which clips it asks for at which sources.
    ``loop``      what goes when, and what follows from what comes back.
    ``runner``    a whole run: :func:`lassbench.fetch.runner.fetch`.

What is done to a clip
    ``sources``, ``youtube``  where its audio comes from.
    ``cutting``, ``work``     from a medium to a finished FLAC file.

What is known
    ``ledger``, ``report``  every attempt; status and census.
    ``lists``, ``merge``    what to fetch; what several hosts fetched, joined.
    ``push``, ``doctor``    the Hub, this machine.
"""
