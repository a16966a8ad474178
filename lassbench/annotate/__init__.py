"""Five people describe what they hear: collected, checked, frozen.

::

    campaign.py    which clips are described, by whom, in which mixtures
    database.py    SQLite: write-ahead log, grouped commits
    store.py       answers with the history of every saved draft
    access.py      personal links and sessions
    checks.py      what is wrong with a description
    sounds.py      a clip at an even level, and its picture
    server.py      the web page (Starlette); annotator.py, coordinator.py its two halves
    exchange.py    export and import
    sub_test.py    the frozen suite
    report.py      length, vocabulary, overlap, times, outliers

No description is ever made by this package: each one carries a
``description_source`` that says who or what wrote it (:mod:`.campaign`), and a
suite is marked ``annotator`` only where people wrote its words.
"""
