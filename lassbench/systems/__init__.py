"""Systems that separate: anybody's, the published ones, and what was run."""
