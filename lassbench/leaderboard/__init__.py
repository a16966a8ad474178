"""The leaderboard: entries that can be checked, tables, and a page to look at.

It reads entry and score files only: no audio, no models.  ``entries`` says what
is on disk, ``checks`` what is refused, ``ranking`` who can be told apart from
whom, ``tables`` and ``website`` what it looks like, ``publish`` where it goes.
"""
