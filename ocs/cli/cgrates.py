"""`ocs cgrates`: the server in the incumbent's place, started with the incumbent's flags."""

import argparse
import gc
import sys
from pathlib import Path

STDOUT = "*stdout"
CONFIG_ERROR = 2


def serve(arguments: argparse.Namespace) -> int:
    """Runs the server until it is told to stop; 0 after that, 2 where the configuration is wrong."""
    gc.disable()  # nothing that is imported goes away again; the program switches it on when it is ready
    from ocs.cgrates.process import leave, take_name

    take_name(sys.argv[0])
    from ocs import log
    from ocs.config.settings import LogSettings

    log.configure(LogSettings(), sys.stdout if arguments.logger == STDOUT else sys.stderr)
    if arguments.check_config:
        return _check(Path(arguments.config_path))
    from ocs import open_files
    from ocs.cgrates import program

    open_files.raise_limit()
    data_dir = Path(arguments.data_dir) if arguments.data_dir else None
    unencrypted = arguments.unencrypted_network_access
    folder = Path(arguments.config_path)
    leave(program.run(folder, data_dir, unencrypted=unencrypted, logger=arguments.logger))
    raise AssertionError("the process has ended")


def _check(folder: Path) -> int:
    """Shows what is wrong with a configuration folder, and what of it has no effect."""
    from ocs.cgrates import config

    try:
        _, unsupported = config.load(folder)
    except config.ConfigError as error:
        print(error, file=sys.stderr)
        return CONFIG_ERROR
    for each in unsupported:
        print(f"{each.key}: {each.meaning}")
    return 0
