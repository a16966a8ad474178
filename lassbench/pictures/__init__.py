"""What people look at: tables on the terminal, plots and pages in the browser."""
