"""``python -m lassbench``: the same command, where its script is not on the path."""

from lassbench.cli import main

if __name__ == "__main__":  # worker processes import this file again
    main()
