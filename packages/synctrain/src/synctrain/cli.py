"""The `synctrain` command line."""

import click

from synctrain import __version__


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="synctrain")
def main() -> None:
    """Train code search models with hard negatives made by astmut.

    The training commands are not there yet: this release has only --help and --version. To make mutants of
    Python source today, use the astmut command.
    """
