"""Whether a text is angry or pleased, in English, Ukrainian and Russian."""
