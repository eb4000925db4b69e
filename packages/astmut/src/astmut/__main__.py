"""`python -m astmut`, for where the program `astmut` is not on the path."""

from astmut.cli import main

# Processes that `--jobs` starts import this module by another name, and must not run the command again.
if __name__ == "__main__":
    main()
