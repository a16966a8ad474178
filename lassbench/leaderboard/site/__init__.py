"""The site: static pages that open from disk, ask nobody for anything, and print.

Every page is HTML with all its numbers in it; scripts sort, filter, draw and
compare.  All text of entries goes through Jinja's autoescape, pages carry a
content security policy without inline scripts or styles, and nothing is loaded
from anywhere but the site's own folder.
"""

from lassbench.leaderboard.site.pages import build_site, check_site

__all__ = ["build_site", "check_site"]
