"""Fetching a corpus's audio: to the end, over weeks and machines, knowing what is gone and why.

``failures``  a message becomes a class, and a class an action: one table.
``ledger``    every attempt at every clip, in one SQLite file.
``sources``   where audio may come from: folders, addresses, hub tables, YouTube.
``runner``    the loop that paces, retries, pauses, stops and goes on.
"""
