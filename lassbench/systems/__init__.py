"""Systems that separate: finding one, and running it over a suite."""
