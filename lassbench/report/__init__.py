"""What people look at: tables on the terminal, a page in the browser."""
