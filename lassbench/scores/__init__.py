"""Scores: predictions and references to one row a query, and rows to all that is said of them.

``judge``       one mixture's references, any number of estimates -> numbers
``pieces``      the suite cut into idempotent pieces; one piece -> measurements
``result``      measurements -> the per-query rows, by the written policy, and a score file
``score``       prediction folders, or a system while it separates -> scores
``rows``        what the columns are, the policy on values that are no ordinary numbers
``score_file``  a score on disk: a card, and its rows
``summary``     rows -> means, intervals, breakdowns
``statistics``  intervals, tests and ranks over targets
``comparison``  scores side by side: paired differences, the closing table
"""
