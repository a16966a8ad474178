"""Systems that separate: what one is, finding and running it, and the folder of its answers."""
