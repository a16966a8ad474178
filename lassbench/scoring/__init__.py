"""Scoring: predictions and references to one row a query, and rows to a summary.

``judge``       one mixture's references, any number of estimates -> numbers
``pieces``      the suite cut into idempotent pieces; one piece -> measurements
``rows``        measurements -> the per-query table, by the written policy
``result``      all of it -> a score file (means, intervals: :mod:`lassbench.scores.summary`)
``folders``     prediction folders -> scores
``streaming``   a separator -> scores, without files
``crosscheck``  a sample scored again with mir_eval
``comparison``  two scores -> paired differences
``beside``      a score beside others' -> rows of a table
"""
