"""Intel 82540EM (PRO/1000 MT Desktop)."""
