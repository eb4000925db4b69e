"""`python -m synctrain`, which `accelerate launch -m synctrain` needs."""

from synctrain.cli import main

main()
