"""Scoring: predictions and references to one row a query, and rows to a summary.

``judge``       one mixture's references, any number of estimates -> numbers
``pieces``      the suite cut into idempotent pieces; one piece -> measurements
``result``      measurements -> the per-query table, by the written policy, and a score file
``folders``     prediction folders -> scores
``streaming``   a separator -> scores, without files
``crosscheck``  a sample scored again with mir_eval
``comparison``  scores -> paired differences, rows of a table
"""
