"""Many models in one table: its page.

page_html(board)      -> one HTML file that needs no network
"""

from shape_audit.leaderboard.page import page_html

__all__ = ["page_html"]
