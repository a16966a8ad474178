"""Which queries on which mixtures, with sound: freezing them, and reading other people's lists."""
