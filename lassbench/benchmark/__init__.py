"""Which clips and which mixtures, as lists: from the published metadata to a manifest folder."""
